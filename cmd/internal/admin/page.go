package admin

import (
	"embed"
	"net/http"
	"strings"
)

// pageFiles are the status page: HTML, CSS and JavaScript as they are.
//
//go:embed page
var pageFiles embed.FS

// pagePath is where the page's files are; the page itself is at /.
const pagePath = "/page/"

// pagePolicy has a browser take nothing from elsewhere, nor run what doesn't
// come from the page's own files.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// isPage tells whether a path is of the page, which holds nothing of the cluster.
func isPage(path string) bool { return path == "/" || strings.HasPrefix(path, pagePath) }

func (s *Server) pageRoutes(mux *http.ServeMux) {
	mux.Handle("GET /{$}", asPage(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, pageFiles, "page/page.html")
	})))
	mux.Handle("GET "+pagePath+"{file}", asPage(http.FileServerFS(pageFiles)))
	mux.Handle("GET /v1/session", route(s.session))
	mux.Handle("GET /v1/watch", route(s.watch))
}

// asPage sets what a browser has to know of the page's files. They are asked for
// anew each time, since another version of baton has others.
func asPage(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}
