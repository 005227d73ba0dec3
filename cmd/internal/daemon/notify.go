package daemon

import (
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
)

// notify tells systemd, where it listens, what the daemon does (sd_notify(3)).
func (d *Daemon) notify(state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		d.logger.Warn("could not tell systemd", zap.String("notification", state), zap.Error(err))
	}
}

// watchdogPeriod is how often systemd wants to hear that the daemon lives, at
// least; 0 when it doesn't.
func (d *Daemon) watchdogPeriod() time.Duration {
	period, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		d.logger.Warn("could not read systemd's watchdog period", zap.Error(err))
		return 0
	}
	return period / 2
}
