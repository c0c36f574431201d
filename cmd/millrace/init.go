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
	var path, kind string
	c := &cobra.Command{
		Use:   "init",
		Short: "write a commented project file to start from",
		RunE: func(c *cobra.Command, _ []string) error {
			text, err := project.TemplateFor(kind)
			if err != nil {
				return fmt.Errorf("--source: %w", err)
			}
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, os.ErrExist) {
				return fault.Usagef("%s exists already; choose another name with --project", path)
			}
			if err != nil {
				return fault.Usagef("write project file: %w", err)
			}
			if _, err := f.WriteString(text); err != nil {
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
	c.Flags().StringVar(&kind, "source", "kafka", "where the change stream is: kafka, or files that arrive in a folder or object storage")
	return c
}
