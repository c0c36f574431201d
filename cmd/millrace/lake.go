package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/s3gateway"
	"github.com/millrace/millrace/sdk/fault"
)

func lakeCommand() *cobra.Command {
	c := &cobra.Command{Use: "lake", Short: "serve the lake's storage"}
	c.AddCommand(serveCommand())
	return c
}

func serveCommand() *cobra.Command {
	var dir, addr string
	c := &cobra.Command{
		Use:   "serve",
		Short: "serve a demo folder's S3 storage until SIGTERM",
		Long: `Serve the S3 storage of a folder that the demo wrote, until SIGTERM. The keys
come from MILLRACE_S3_ACCESS_KEY and MILLRACE_S3_SECRET_KEY.
` + exitCodes,
		RunE: func(c *cobra.Command, _ []string) error {
			root := filepath.Join(dir, "s3")
			if _, err := os.Stat(root); err != nil {
				return fault.Usagef("folder %s holds no lake: %w; write one with: millrace demo --dir %s", dir, err, dir)
			}
			access, secret := os.Getenv("MILLRACE_S3_ACCESS_KEY"), os.Getenv("MILLRACE_S3_SECRET_KEY")
			if access == "" || secret == "" {
				return fault.Usagef("set MILLRACE_S3_ACCESS_KEY and MILLRACE_S3_SECRET_KEY to the keys that clients shall use")
			}
			g, err := s3gateway.Start(s3gateway.Config{Root: root, Addr: addr, AccessKey: access, SecretKey: secret})
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), "serving", g.Endpoint())
			<-c.Context().Done()
			return g.Close()
		},
	}
	c.Flags().StringVar(&dir, "dir", "out/demo", "the folder that the demo wrote")
	c.Flags().StringVar(&addr, "addr", "127.0.0.1:9000", "host:port to listen on")
	return c
}
