package broker

// Finding is one thing that was found out about Redis.
type Finding struct {
	Check  string `json:"check"`          // what was looked at: a Check… constant
	Level  Level  `json:"level"`          // how bad it is
	Node   string `json:"node,omitempty"` // host:port, where there are several
	Detail string `json:"detail"`         // what was found, in plain words
	Remedy string `json:"remedy,omitempty"`
}

// Level is how bad a finding is.
type Level string

// The levels, from good to bad.
const (
	LevelOK      Level = "ok"
	LevelWarning Level = "warning" // it works, and may go wrong
	LevelFault   Level = "fault"   // something does not work, or loses events
	LevelFatal   Level = "fatal"   // a hub does not start on it
)

// Bad says whether the finding is a fault or worse.
func (f Finding) Bad() bool { return f.Level == LevelFault || f.Level == LevelFatal }

// What is looked at.
const (
	CheckReach       = "reach"
	CheckVersion     = "version"
	CheckMode        = "mode"
	CheckCoverage    = "coverage"
	CheckRole        = "role"
	CheckRights      = "rights"
	CheckPersistence = "persistence"
	CheckEviction    = "eviction"
	CheckMemory      = "memory"
	CheckReplicas    = "replicas"
	CheckClients     = "clients"
	CheckLatency     = "latency"
	CheckClock       = "clock"
)

func ok(check, detail string) Finding {
	return Finding{Check: check, Level: LevelOK, Detail: detail}
}

func bad(level Level, check, detail, remedy string) Finding {
	return Finding{Check: check, Level: level, Detail: detail, Remedy: remedy}
}
