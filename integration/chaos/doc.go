// Package chaos holds the tests that break clusters: real servers, the daemon as a program, clients that write rows
// which check themselves, and faults chosen by a seed. What was acknowledged to a client has to be there afterwards,
// once, in the client's order, on every instance, whatever happened meanwhile.
//
// TestChaos runs rounds of it, a handful unless told otherwise:
//
//	go test ./integration/chaos -run TestChaos -rounds 500 -seed 7 -faults kill,stop,cut
//
// The other tests show one hand-over each. All of them need the right to mount (root, or user namespaces), since full
// disks are small file systems of the tests' own; these are in a mount namespace that ends with the tests.
package chaos
