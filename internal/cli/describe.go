package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Command is what one command says of itself by --help.
type Command struct {
	Name  string // without the program's, as "shared-ip enable"; empty: the program itself
	Usage string // as "baton shared-ip enable ADDRESS"
	Text  string // what it does, in one line
	Flags []Flag // its own
}

// Flag is one flag of a command.
type Flag struct {
	Name    string // with its dashes
	Value   string // the kind of value that it takes, as "duration"; empty: none
	Text    string // what it is for
	Default string // empty: none that help shows
}

// Describe returns the program and every command that does something, in the order
// of their names. The flags of the program are those that every command takes.
func Describe() (whole Command, commands []Command) {
	root := rootCommand(&program{})
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		if cmd.DisableFlagsInUseLine && !cmd.Hidden { // it is no group: see command
			commands = append(commands, describe(cmd, cmd.Short, cmd.LocalNonPersistentFlags()))
		}
	}
	walk(root)
	slices.SortFunc(commands, func(a, b Command) int { return strings.Compare(a.Name, b.Name) })
	return describe(root, root.Long, root.PersistentFlags()), commands
}

func describe(cmd *cobra.Command, text string, flags *pflag.FlagSet) Command {
	_, name, _ := strings.Cut(cmd.CommandPath(), " ")
	c := Command{Name: name, Usage: cmd.UseLine(), Text: text}
	flags.VisitAll(func(flag *pflag.Flag) {
		value, usage := pflag.UnquoteUsage(flag)
		f := Flag{Name: "--" + flag.Name, Value: value, Text: usage}
		if !slices.Contains([]string{"", "false", "0", "0s", "[]"}, flag.DefValue) {
			f.Default = flag.DefValue
		}
		c.Flags = append(c.Flags, f)
	})
	return c
}
