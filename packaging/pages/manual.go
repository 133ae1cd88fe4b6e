package main

import (
	"fmt"
	"regexp"
	"strings"

	"baton/internal/cli"
)

// commandPage is baton(1), in the language of man(7).
func commandPage(whole cli.Command, commands []cli.Command, o origin) string {
	var p roff
	p.head("BATON", "1", o)
	p.section("NAME")
	p.text("baton - failover for self-hosted sites on two machines")
	p.section("SYNOPSIS")
	p.line(".B baton", "")
	p.line(".I command", "")
	p.text("[flags]")
	p.section("DESCRIPTION")
	p.text(whole.Text)
	p.line(".PP", "")
	p.text("Commands speak to the appliance on this machine through its local socket, or to another one with --url and a token. " +
		"As root, on the machine itself, no sign-in is needed. Passwords and keys come from standard input or a prompt, never from an argument.")
	p.section("COMMANDS")
	for _, command := range commands {
		p.item(command.Usage, command.Text+".")
		if len(command.Flags) > 0 {
			p.line(".RS", "")
			p.flags(command.Flags)
			p.line(".RE", "")
		}
	}
	p.section("OPTIONS")
	p.text("Every command takes these.")
	p.flags(append(whole.Flags, cli.Flag{Name: "--help", Text: "say what a command does and takes"}))
	p.section("FILES")
	p.item("/etc/baton/baton.toml", "The configuration of this machine: baton.toml(5).")
	p.item("/var/lib/baton", "State, site database, snapshots and diverged copies.")
	p.item("/run/baton/baton.sock", "The local socket; who opens it is administrator.")
	p.section("SEE ALSO")
	p.text("baton.toml(5), systemctl(1), journalctl(1), nft(8)")
	return p.String()
}

// assignment is a key of the sample; one that is not set stands behind "# ".
var assignment = regexp.MustCompile(`^(?:# )?([a-z_]+) *= |^(?:# )?(\[\[?[a-z_]+\]?\])`)

// configurationPage is baton.toml(5): the sample, paragraph by paragraph. A
// paragraph says in comments what its keys are for, and then sets them.
func configurationPage(sample string, o origin) string {
	var p roff
	p.head("BATON.TOML", "5", o)
	p.section("NAME")
	p.text("baton.toml - configuration of one Baton appliance")
	p.section("DESCRIPTION")
	for i, paragraph := range strings.Split(strings.TrimSpace(sample), "\n\n") {
		said, code := parts(paragraph)
		if i == 1 {
			p.section("KEYS")
			p.text("As the sample sets them; what stands behind # is not set in it.")
		}
		if code == "" {
			p.text(said)
			continue
		}
		p.example(code)
		p.line(".RS", "")
		p.text(said)
		p.line(".RE", "")
	}
	p.section("FILES")
	p.item("/etc/baton/baton.toml", "The file that the daemon reads. A change takes effect with a restart of the daemon.")
	p.item("/usr/share/baton/baton.toml", "The sample, from which a package makes the file if there is none.")
	p.section("SEE ALSO")
	p.text("baton(1)")
	return p.String()
}

// parts divides a paragraph of the sample into what it says and what it sets.
func parts(paragraph string) (said, code string) {
	var words, lines []string
	for line := range strings.Lines(paragraph) {
		line = strings.TrimSpace(line)
		if len(lines) > 0 || assignment.MatchString(line) { // a value may take several lines
			lines = append(lines, line)
		} else {
			words = append(words, strings.TrimSpace(strings.TrimPrefix(line, "#")))
		}
	}
	return strings.Join(words, " "), strings.Join(lines, "\n")
}

// roff gathers a manual page.
type roff struct{ strings.Builder }

func (p *roff) line(macro, argument string) {
	_, _ = p.WriteString(strings.TrimSpace(macro+" "+argument) + "\n") // never fails
}

func (p *roff) head(title, section string, o origin) {
	p.line(".TH", fmt.Sprintf("%s %s %s %q Baton", title, section, o.date.Format("2006-01-02"), "Baton "+escape(o.version)))
	p.line(".nh", "") // no hyphens: commands are copied from here
	p.line(".ad", "l")
}

func (p *roff) section(title string) { p.line(".SH", title) }

// text writes paragraphs, which an empty line divides.
func (p *roff) text(text string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			p.line(".PP", "")
		}
		p.line(escape(strings.Join(strings.Fields(paragraph), " ")), "")
	}
}

// item writes a term, and indented below it what it means.
func (p *roff) item(term, text string) {
	p.line(".TP", "")
	p.line(".B", escape(term))
	p.text(text)
}

func (p *roff) flags(flags []cli.Flag) {
	for _, flag := range flags {
		text := strings.ToUpper(flag.Text[:1]) + flag.Text[1:]
		if flag.Default != "" {
			text += fmt.Sprintf(" (default %s)", flag.Default)
		}
		p.item(strings.TrimSpace(flag.Name+" "+flag.Value), text+".")
	}
}

// example writes lines as they are.
func (p *roff) example(lines string) {
	p.line(".PP", "")
	p.line(".nf", "")
	for line := range strings.Lines(lines) {
		p.line(escape(strings.TrimSpace(line)), "")
	}
	p.line(".fi", "")
}

// escape keeps a text from being taken for roff: dashes are those that one types,
// and no line begins as a macro does.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "“", `"`, "…", "...").Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
