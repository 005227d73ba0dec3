package daemon

import (
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/batondb/baton/config"
)

// newLogger makes the daemon's log to standard error, and its level, which can
// be changed while it runs.
func newLogger(cfg config.Log) (*zap.Logger, zap.AtomicLevel) {
	level := zap.NewAtomicLevelAt(levelOf(cfg.Level))
	encoding := zap.NewProductionEncoderConfig()
	encoding.TimeKey, encoding.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	encoding.EncodeDuration = zapcore.SecondsDurationEncoder
	encoder := zapcore.NewJSONEncoder(encoding)
	onTerminal := cfg.Format == config.LogAuto && term.IsTerminal(int(os.Stderr.Fd()))
	if cfg.Format == config.LogConsole || onTerminal {
		encoding.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		encoding.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(encoding)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(os.Stderr), level)), level
}

func levelOf(level config.LogLevel) zapcore.Level {
	parsed, err := zapcore.ParseLevel(string(level))
	if err != nil {
		return zapcore.InfoLevel
	}
	return parsed
}
