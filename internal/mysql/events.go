package mysql

import (
	"context"
	"fmt"
)

// suspendEvents switches the event scheduler off where it runs. One that an
// operator switched off, or disabled in the option file, isn't touched.
func suspendEvents(ctx context.Context, q Querier) error {
	scheduler, err := eventScheduler(ctx, q)
	if err != nil || scheduler != "ON" {
		return err
	}
	return set(ctx, q, "SET GLOBAL event_scheduler = OFF")
}

// resumeEvents switches the event scheduler on again if it was our account that
// switched it off, which the server itself remembers. A server without its
// performance_schema doesn't, and is left as it is.
func resumeEvents(ctx context.Context, q Querier) error {
	scheduler, err := eventScheduler(ctx, q)
	if err != nil || scheduler != "OFF" {
		return err
	}
	var ours bool
	err = q.QueryRowContext(ctx, `SELECT COUNT(*) > 0 FROM performance_schema.variables_info
		WHERE variable_name = 'event_scheduler' AND variable_source = 'DYNAMIC' AND set_user = LEFT(USER(), CHAR_LENGTH(USER()) - LOCATE('@', REVERSE(USER())))`).Scan(&ours)
	if err != nil {
		return fmt.Errorf("look who switched the event scheduler off: %w", Classify(err))
	}
	if !ours {
		return nil
	}
	return set(ctx, q, "SET GLOBAL event_scheduler = ON")
}

func eventScheduler(ctx context.Context, q Querier) (value string, err error) {
	if err := q.QueryRowContext(ctx, "SELECT @@GLOBAL.event_scheduler").Scan(&value); err != nil {
		return "", fmt.Errorf("read event_scheduler: %w", Classify(err))
	}
	return value, nil
}
