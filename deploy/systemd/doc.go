// Package systemd holds no code: it is the folder of the units that `make
// install` copies, and of the tests that they are right.
package systemd
