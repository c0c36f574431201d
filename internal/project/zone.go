package project

import (
	"time"
	_ "time/tzdata" // a project means the same on machines that have no data on time zones
)

// noZone is the setting by which business dates do not matter.
const noZone = "none"

// Zone is the time zone of business dates; nil and true where they do not matter.
func (i Ingest) Zone() (zone *time.Location, undated bool) {
	if i.TimeZone == noZone {
		return nil, true
	}
	zone, err := time.LoadLocation(i.TimeZone)
	if err != nil { // check has refused it
		return time.UTC, false
	}
	return zone, false
}

func (f *File) checkZone(say sayer) {
	z := f.Ingest.TimeZone
	if z == noZone || z == "" {
		return
	}
	if _, err := time.LoadLocation(z); err != nil || z == "Local" {
		say("ingest.time_zone", "%q is not a time zone; write a name such as Europe/Zurich, UTC, or none", z)
	}
}
