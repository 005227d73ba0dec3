package main

import (
	_ "embed"
	"strings"
	"text/template"
)

//go:embed benchmarks.md.tmpl
var page string

// markdown renders the report as the page of the manual.
func (r *Report) markdown() (string, error) {
	t, err := template.New("benchmarks.md").Funcs(template.FuncMap{
		"milliseconds": func(seconds float64) float64 { return 1e3 * seconds },
		"gibibytes":    func(bytes int64) float64 { return float64(bytes) / (1 << 30) },
		"megabytes":    func(bytes int64) float64 { return float64(bytes) / 1e6 },
		"table":        func(of interface{ table() *table }) string { return of.table().markdown() },
		"behind":       r.behind,
		"goals":        func() string { return r.goalTable().markdown() },
		"missed":       r.missed,
		"verdict": func(u *CatchUp) string {
			said := u.verdict()
			if said == "" {
				return ""
			}
			return strings.ToUpper(said[:1]) + said[1:] + "."
		},
	}).Parse(page)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, r)
	return b.String(), err
}
