package rulefile

import "time"

// Follow says how the sides are reconciled while they grow, by millrace reconcile --follow. A nightly run does not look at it.
type Follow struct {
	Wait     time.Duration `yaml:"wait" default:"0s" doc:"how long after a row came its other side is awaited; 0: until the end of the day on which it is due by timing, or else by the widest window of dates"`
	TimeZone string        `yaml:"time_zone" default:"UTC" doc:"where a day ends, such as Europe/Prague"`
	Retain   time.Duration `yaml:"retain" default:"72h" doc:"how long matched rows of files are kept, so that a late duplicate still finds them; 0: for ever"`
	Poll     time.Duration `yaml:"poll" default:"250ms" doc:"pause between two looks at the sides"`
}

// Zone is where a day ends; nil of a file without the section.
func (f *Follow) Zone() *time.Location {
	if f == nil {
		return time.UTC
	}
	z, err := time.LoadLocation(f.TimeZone)
	if err != nil {
		return time.UTC // the file's check has said so
	}
	return z
}

func (c *checker) follow() {
	f := c.f.Follow
	if f == nil {
		return
	}
	if _, err := time.LoadLocation(f.TimeZone); err != nil {
		c.say("follow.time_zone", "%q is no time zone; write it like Europe/Prague", f.TimeZone)
	}
	for name, d := range map[string]time.Duration{"wait": f.Wait, "retain": f.Retain} {
		if d < 0 {
			c.say("follow."+name, "must not be negative")
		}
	}
	if f.Poll < 10*time.Millisecond || f.Poll > time.Hour {
		c.say("follow.poll", "must be from 10ms to 1h")
	}
}
