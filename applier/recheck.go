package applier

// Recheck has the follower admitted anew, after what is under way or at once
// where nothing is, because what the Gate looks at may have changed.
func (a *Applier) Recheck() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.end != nil {
		a.end()
		return
	}
	a.wake()
}
