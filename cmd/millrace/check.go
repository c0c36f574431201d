package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/project"
)

func checkCommand() *cobra.Command {
	var p projectFlags
	var schema, offline bool
	c := &cobra.Command{
		Use:   "check",
		Short: "tell every mistake of the project file, test its connections, print what is in force",
		RunE: func(c *cobra.Command, _ []string) error {
			if schema {
				s, err := project.JSONSchema()
				if err != nil {
					return err
				}
				_, err = c.OutOrStdout().Write(s)
				return err
			}
			f, err := p.load()
			if err != nil {
				return err
			}
			text, err := f.Effective()
			if err != nil {
				return err
			}
			if _, err := fmt.Fprint(c.OutOrStdout(), text); err != nil || offline {
				return err
			}
			return f.TestConnections(c.Context(), c.OutOrStdout(), slog.New(slog.DiscardHandler))
		},
	}
	p.add(c)
	c.Flags().BoolVar(&schema, "json-schema", false, "print the JSON Schema of project files, for editors")
	c.Flags().BoolVar(&offline, "offline", false, "do not test connections")
	return c
}
