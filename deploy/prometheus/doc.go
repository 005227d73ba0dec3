// Package prometheus holds the alert rules, with their tests: those in
// baton.rules.test.yml, which promtool runs, and a Go test that sees to it that
// it does and that each alert has its page in the manual.
package prometheus
