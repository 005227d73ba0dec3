package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes.
type Size int64

// The IEC units, the only ones the file knows besides plain bytes: MB and M
// mean 10⁶ to some and 2²⁰ to others.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
	TiB Size = 1 << 40
	PiB Size = 1 << 50
)

var errSize = errors.New("not a size; write a whole number with KiB, MiB, GiB or TiB, like 256MiB, or a plain number of bytes")

type sizeUnit struct {
	name string
	size Size
}

// sizeUnits returns the units from the largest, with the name each is read and
// written by.
func sizeUnits() []sizeUnit {
	return []sizeUnit{{"PiB", PiB}, {"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}}
}

// ParseSize reads "256MiB", "1GiB" or a plain number of bytes. Fractions, signs
// and decimal units (MB, M) are refused.
func ParseSize(text string) (Size, error) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	n, err := strconv.ParseUint(digits, 10, 63)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("too large a number of bytes; write at most 1PiB")
	}
	if err != nil {
		return 0, errSize
	}
	unit := strings.TrimSpace(text[len(digits):])
	if unit == "" {
		return Size(n), nil
	}
	for _, u := range sizeUnits() {
		if unit == u.name {
			if n > uint64(math.MaxInt64/int64(u.size)) {
				return 0, fmt.Errorf("too large a number of bytes; write at most 1PiB")
			}
			return Size(n) * u.size, nil
		}
		if strings.EqualFold(unit[:1], u.name[:1]) {
			return 0, fmt.Errorf("unknown unit %q; write %s%s", unit, digits, u.name)
		}
	}
	return 0, errSize
}

// String returns the size in the largest unit that divides it: what ParseSize
// reads back to the same Size.
func (s Size) String() string {
	for _, u := range sizeUnits() {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
