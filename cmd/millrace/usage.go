package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/millrace/millrace/internal/strictyaml"
	"github.com/millrace/millrace/sdk/fault"
)

// strictly makes a command and those below it refuse what they do not take, name what is
// nearest to it, and say their exit codes in their help.
func strictly(c *cobra.Command) {
	if c.Long == "" {
		c.Long = c.Short
	}
	if !strings.Contains(c.Long, "Exit codes:") {
		c.Long = strings.TrimRight(c.Long, "\n") + "\n" + exitCodes
	}
	if c.HasSubCommands() {
		c.Args, c.RunE = cobra.ArbitraryArgs, helpOrUnknown
	} else if c.Args == nil {
		c.Args = noArguments
	}
	for _, sub := range c.Commands() {
		strictly(sub)
	}
}

// helpOrUnknown is what a command does that only holds others.
func helpOrUnknown(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	var known []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			known = append(known, sub.Name())
		}
	}
	return fault.Usagef("unknown command %q%s; see: %s --help", args[0], strictyaml.DidYouMean(args[0], known), c.CommandPath())
}

func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fault.Usagef("%s takes no argument, but was given %q; see: %s --help", c.CommandPath(), args[0], c.CommandPath())
	}
	return nil
}

// flagMistake tells a wrong flag, and the one that was probably meant.
func flagMistake(c *cobra.Command, err error) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "unknown flag: --"); ok {
		var known []string
		c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
		text = "unknown flag --" + name + strictyaml.DidYouMean("--"+name, known)
	}
	return fault.Usagef("%s; see: %s --help", strings.ReplaceAll(text, "\n", " "), c.CommandPath())
}

// helpCommand is cobra's, but refuses a command that does not exist.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [command]", Short: "help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || c == nil {
				return fault.Usagef("%w", err)
			}
			if len(rest) > 0 {
				return helpOrUnknown(c, rest)
			}
			return c.Help()
		},
	}
}

// version is the module's version, or the commit that the binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	out := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(out, s.Value[:min(12, len(s.Value))]) {
			out += " " + s.Value
		}
	}
	return out + " " + info.GoVersion
}

// defect is a panic told as an error: what it said and where, in a line. It is a bug of ours, so exit code 3.
func defect(value any) error {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	place, panicked := "an unknown place", false
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if panicked && strings.HasPrefix(f.Function, "github.com/millrace/") {
			place = fmt.Sprintf("%s:%d", f.Function, f.Line)
			break
		}
		panicked = panicked || f.Function == "runtime.gopanic"
	}
	return fmt.Errorf("a defect in millrace: %s at %s; please report it with this line and the command",
		strings.Join(strings.Fields(fmt.Sprint(value)), " "), place)
}
