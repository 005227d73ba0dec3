package config

import (
	"fmt"
	"io"
)

const hidden = "[hidden]"

// Secret is a text that must not reach a log, an error or an API: every way of
// printing or marshalling it gives "[hidden]". Only Reveal gives the text.
type Secret struct{ text string }

// NewSecret returns text as a Secret.
func NewSecret(text string) Secret { return Secret{text: text} }

// Reveal returns the text, for the handshake with a server and nothing else.
func (s Secret) Reveal() string { return s.text }

// String returns "[hidden]".
func (s Secret) String() string { return hidden }

// Format writes "[hidden]" whatever the verb, so that %+v, %#v and %x of a
// struct around it hide it too.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText returns "[hidden]", for encodings besides JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON returns "[hidden]" as a JSON string; zap's reflection uses it.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// MarshalYAML returns "[hidden]".
func (s Secret) MarshalYAML() (any, error) { return hidden, nil }
