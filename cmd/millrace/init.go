package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/sdk/fault"
)

func initCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "init",
		Short: "write a commented project file to start from",
		RunE: func(c *cobra.Command, _ []string) error {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, os.ErrExist) {
				return fault.Usagef("%s exists already; choose another name with --project", path)
			}
			if err != nil {
				return fault.Usagef("write project file: %w", err)
			}
			if _, err := f.WriteString(project.Template); err != nil {
				return errors.Join(fmt.Errorf("write %s: %w", path, err), f.Close())
			}
			if err := f.Close(); err != nil {
				return fmt.Errorf("write %s: %w", path, err)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "wrote %s; edit it, then run: millrace check\n", path)
			return err
		},
	}
	c.Flags().StringVarP(&path, "project", "p", "millrace.yaml", "the file to write")
	return c
}
