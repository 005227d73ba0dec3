package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// noArgs refuses arguments; one that looks like a verb gets suggestions.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasAvailableSubCommands() {
		if cmd.Flags().Lookup("to") != nil {
			return usage("takes no argument, was given %q; did you mean --to %s?", args[0], args[0])
		}
		return usage("takes no argument, was given %q", args[0])
	}
	cmd.SuggestionsMinimumDistance = 2
	message := fmt.Sprintf("unknown verb %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		message += "; did you mean " + strings.Join(near, " or ") + "?"
	} else {
		message += "; one of: " + strings.Join(verbs(cmd), ", ")
	}
	return usage("%s", message)
}

// oneInstance wants the name of an instance.
func oneInstance(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage("needs the name of one instance, was given %d", len(args))
	}
	return nil
}

// someInstance takes the name of an instance, or none for every follower.
func someInstance(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usage("takes the name of one instance, or none for every follower; was given %d", len(args))
	}
	return nil
}

// flagError makes cobra's complaint about a flag a usage error that suggests.
func flagError(cmd *cobra.Command, err error) error {
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		f := wrong.GetFlag()
		if f.Value.Type() == "int" {
			return usage("--%s %q: a whole number, such as 20", f.Name, wrong.GetValue())
		}
		if f.Value.Type() == "bool" {
			return usage("--%s takes no value, was given %q", f.Name, wrong.GetValue())
		}
		if f.Value.Type() == "duration" {
			return usage("--%s %q: a time with its unit, such as 30s", f.Name, wrong.GetValue())
		}
	}
	missing, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return usage("%v", err)
	}
	wrong := missing.GetSpecifiedName()
	best, bestDistance := "", 3
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := distance(wrong, f.Name); !f.Hidden && d < bestDistance {
			best, bestDistance = f.Name, d
		}
	})
	if best != "" {
		return usage("%v; did you mean --%s?", err, best)
	}
	return usage("%v", err)
}

// distance is the number of letters to insert, delete or change to make a of b
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// output is the value of -o.
type output string

const (
	outputText output = "text"
	outputJSON output = "json"
)

func (o *output) String() string { return string(*o) }
func (o *output) Type() string   { return "format" }

func (o *output) Set(text string) error {
	if text != string(outputText) && text != string(outputJSON) {
		return errors.New("text or json")
	}
	*o = output(text)
	return nil
}

// outputFlag adds -o to a verb.
func outputFlag(cmd *cobra.Command) *output {
	o := outputText
	cmd.Flags().VarP(&o, "output", "o", "how to print: text or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return &o
}
