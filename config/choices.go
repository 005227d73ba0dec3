package config

// DurabilityMode is the promise behind a commit's success.
type DurabilityMode string

// The leader waits for the relay however long; for ack_timeout and then runs on
// unprotected; or as balanced, with the possible loss named.
const (
	Strict   DurabilityMode = "strict"
	Balanced DurabilityMode = "balanced"
	Async    DurabilityMode = "async"
)

// Promotion says how willingly an instance is made leader.
type Promotion string

// Among candidates equally caught up, prefer goes before neutral before avoid;
// an instance with never is no candidate.
const (
	PromotionPrefer  Promotion = "prefer"
	PromotionNeutral Promotion = "neutral"
	PromotionAvoid   Promotion = "avoid"
	PromotionNever   Promotion = "never"
)

// Order is the order in which a follower shows transactions.
type Order string

// Relaxed lets independent transactions become visible in another order than
// the leader's; leader commits one after the other.
const (
	OrderRelaxed Order = "relaxed"
	OrderLeader  Order = "leader"
)

// CatchUpMode says when a follower is applied to in batches.
type CatchUpMode string

// When it is behind by catch_up.after, at the head too, or never.
const (
	CatchUpAuto   CatchUpMode = "auto"
	CatchUpAlways CatchUpMode = "always"
	CatchUpOff    CatchUpMode = "off"
)

// FailoverMode says who decides on a failover.
type FailoverMode string

// The daemon by itself, where durability and fencing allow it; or an operator
// with `baton failover`.
const (
	FailoverAutomatic FailoverMode = "automatic"
	FailoverManual    FailoverMode = "manual"
)

// Route says where an endpoint leads its clients.
type Route string

// To the leader, or to the followers within max_lag.
const (
	RouteLeader    Route = "leader"
	RouteFollowers Route = "followers"
)

// Role is what somebody may do over HTTP.
type Role string

// Ask questions; or give commands too.
const (
	RoleRead    Role = "read"
	RoleCommand Role = "command"
)

// Fallback says what becomes of a connection that no follower qualifies for.
type Fallback string

// It is led to the leader, or refused.
const (
	FallbackLeader Fallback = "leader"
	FallbackRefuse Fallback = "refuse"
)

// ProxyHeader says with which header of the PROXY protocol a connection begins.
type ProxyHeader string

// None; or that of version 2.
const (
	ProxyNone ProxyHeader = "none"
	ProxyV2   ProxyHeader = "v2"
)

// TLSMode is MySQL's ssl-mode (reference manual, "Command Options for Encrypted
// Connections").
type TLSMode string

// Never encrypted; encrypted where the server can; always; always, and the
// certificate must be signed by ca; and it must be for the address's host too.
const (
	TLSDisabled       TLSMode = "disabled"
	TLSPreferred      TLSMode = "preferred"
	TLSRequired       TLSMode = "required"
	TLSVerifyCA       TLSMode = "verify-ca"
	TLSVerifyIdentity TLSMode = "verify-identity"
)

// BootMode says whether an instance takes writes by itself after its start.
type BootMode string

// Fenced: only once baton has said so. Open: as its own configuration says.
const (
	BootFenced BootMode = "fenced"
	BootOpen   BootMode = "open"
)

// LogLevel is the least level that is written; the names are zap's.
type LogLevel string

// From the most talkative to the most silent.
const (
	LogDebug LogLevel = "debug"
	LogInfo  LogLevel = "info"
	LogWarn  LogLevel = "warn"
	LogError LogLevel = "error"
)

// LogFormat is how a log line looks.
type LogFormat string

// Auto is console on a terminal and json otherwise.
const (
	LogAuto    LogFormat = "auto"
	LogConsole LogFormat = "console"
	LogJSON    LogFormat = "json"
)
