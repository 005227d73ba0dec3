package admin

import (
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestThePageIsOpenToEverybodyAndHoldsNothing(t *testing.T) {
	t.Parallel()
	s, _, _ := startServer(t, &fakeCluster{status: exampleStatus(t)}, func(c *Config) { c.Tokens = tokens() })
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/page/page.js": "text/javascript; charset=utf-8", "/page/page.css": "text/css; charset=utf-8", "/page/icon.svg": "image/svg+xml",
	} {
		r := ask(t, s, http.MethodGet, path)
		require.Equal(t, http.StatusOK, r.status, path)
		require.Equal(t, kind, r.header.Get("Content-Type"))
		require.Equal(t, pagePolicy, r.header.Get("Content-Security-Policy"))
		require.Equal(t, "nosniff", r.header.Get("X-Content-Type-Options"))
		require.NotContains(t, r.body, "db1")
	}
	for _, path := range []string{"/page/", "/page", "/page/none.js", "/page/../metrics", "/page/%2e%2e/server.go", "/index.html"} {
		require.NotEqual(t, http.StatusOK, ask(t, s, http.MethodGet, path).status, path)
	}
	require.Equal(t, http.StatusUnauthorized, ask(t, s, http.MethodPost, "/").status, "only questions are open")
}

// What the page's policy forbids would be missing without a word, and what asks another host is not for a machine without
// a way out.
func TestThePageNeedsNothingButItsFiles(t *testing.T) {
	files, err := fs.ReadDir(pageFiles, "page")
	require.NoError(t, err)
	named := map[string]bool{"page.html": true}
	for _, file := range files {
		content, err := fs.ReadFile(pageFiles, "page/"+file.Name())
		require.NoError(t, err)
		text := strings.ReplaceAll(string(content), "http://www.w3.org/2000/svg", "")
		require.NotRegexp(t, `https?:|\bwss?:|@import|url\(|//[a-z]+\.[a-z]`, text, file.Name())
		require.NotRegexp(t, `innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|srcdoc`, text, "%s: text of servers is untrusted", file.Name())
		if strings.HasSuffix(file.Name(), ".html") {
			require.NotRegexp(t, `(?i)\son[a-z]+=|\sstyle=|<style|<script(?:\s[^>]*)?>[^<]`, text, file.Name())
		}
		for _, found := range regexp.MustCompile(`(?:"/page/|from "\./)([a-z.]+)"`).FindAllStringSubmatch(text, -1) {
			_, err := fs.Stat(pageFiles, "page/"+found[1])
			require.NoError(t, err, "%s names it", file.Name())
			named[found[1]] = true
		}
	}
	for _, file := range files {
		require.True(t, named[file.Name()], "nothing uses %s", file.Name())
	}
}
