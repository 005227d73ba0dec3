package rowimage

import (
	"encoding/binary"
	"slices"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// maxDepth is how deep MySQL lets a JSON document be nested.
const maxDepth = 100

// Types of a value in MySQL's binary JSON that hold others. Those with an even
// number have offsets of two bytes, the others of four.
//
// Source: json_binary.h in MySQL's sql-common.
const (
	jsonSmallObject = 0
	jsonLargeObject = 1
	jsonSmallArray  = 2
	jsonLargeArray  = 3
)

// jsonEnds tells whether a JSON column's value is one that a decoder comes to an
// end with: in what a server writes, no value holds itself and none stands in two
// places. Whether the values make sense is for the decoder to find out.
func jsonEnds(b []byte, isDiff bool) bool {
	if !isDiff {
		return documentEnds(b)
	}
	// Of each diff an operation, a path and, unless the operation is to remove, a
	// document; the latter two with their lengths.
	const remove = 2
	for len(b) > 0 {
		operation := b[0]
		_, rest, ok := sized(b[1:])
		if ok && operation != remove {
			var document []byte
			document, rest, ok = sized(rest)
			ok = ok && documentEnds(document)
		}
		if !ok {
			return false
		}
		b = rest
	}
	return true
}

// sized takes what a length-encoded integer gives the length of from the start
// of b.
func sized(b []byte) (head, rest []byte, ok bool) {
	n, _, width := mysql.LengthEncodedInt(append(slices.Clone(b[:min(9, len(b))]), make([]byte, 9)...))
	if width > len(b) || n > uint64(len(b)-width) {
		return nil, nil, false
	}
	return b[width : width+int(n)], b[width+int(n):], true
}

// documentEnds looks at a document, which begins with its type.
func documentEnds(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	w := jsonWalk{left: len(b)}
	return w.value(b[0], b[1:], 0)
}

// A jsonWalk goes through a document. left is how many bytes of it may still be
// taken for the heads of objects and arrays; each byte belongs to one at most.
type jsonWalk struct{ left int }

func (w *jsonWalk) value(typ byte, b []byte, depth int) bool {
	if typ > jsonLargeArray {
		return true
	}
	width := 2
	if typ == jsonLargeObject || typ == jsonLargeArray {
		width = 4
	}
	if depth >= maxDepth || len(b) < 2*width {
		return false
	}
	// A number of elements and a size; for each key of an object its offset and
	// its length of two bytes; for each element its type and its value or offset.
	count, entries := number(b, width), 2*width
	if typ == jsonSmallObject || typ == jsonLargeObject {
		entries += count * (width + 2)
	}
	head := entries + count*(1+width)
	if w.left -= head; w.left < 0 || head > len(b) {
		return false
	}
	for i := range count {
		entry := b[entries+i*(1+width):]
		if entry[0] > jsonLargeArray {
			continue
		}
		at := number(entry[1:], width)
		if at < head || at > len(b) || !w.value(entry[0], b[at:], depth+1) {
			return false
		}
	}
	return true
}

func number(b []byte, width int) int {
	if width == 2 {
		return int(binary.LittleEndian.Uint16(b))
	}
	return int(binary.LittleEndian.Uint32(b))
}
