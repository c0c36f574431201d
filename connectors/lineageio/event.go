package lineageio

import (
	"encoding/json"
	"time"
)

const (
	// Producer is who says what the events say.
	Producer = "https://github.com/millrace/millrace"

	spec   = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
	facets = "https://openlineage.io/spec/facets/"
)

// Moment is where a run is.
type Moment string

// The moments of a run: it starts, then completes or fails.
const (
	Start    Moment = "START"
	Complete Moment = "COMPLETE"
	Fail     Moment = "FAIL"
)

// Event is one moment of a run.
type Event struct {
	Moment Moment
	Time   time.Time
	// RunID is a UUID that all events of one run share, and no other run has.
	RunID string
	// Namespace and Job name what runs; the namespace is the emitter's where it is "".
	Namespace, Job string
	// Nominal is the time that the run is for, such as its business date; zero where there is none.
	Nominal time.Time
	// Error says why the run failed.
	Error string
	// Outcome is what else is known of the run, such as its verdict: flat, of texts.
	Outcome map[string]string
	Inputs  []Dataset
	Outputs []Dataset
}

// Dataset is data that a run reads or writes.
type Dataset struct {
	Namespace, Name string // such as s3://bucket and path/file.csv
	Fields          []Field
	Rows            *int64 // nil where they are not known
	Bytes           *int64
	Assertions      []Assertion // of an input
}

// Field is a column.
type Field struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
}

// Assertion is a check of an input and how it came out.
type Assertion struct {
	Name    string `json:"assertion"`
	Success bool   `json:"success"`
	Column  string `json:"column,omitempty"`
}

// object is a JSON object; encoding/json sorts its keys.
type object map[string]any

func facet(name string, content object) object {
	content["_producer"], content["_schemaURL"] = Producer, facets+name
	return content
}

// JSON is the event as the specification has it, on one line. namespace stands in where the event has none.
func (e Event) JSON(namespace string) ([]byte, error) {
	if e.Namespace != "" {
		namespace = e.Namespace
	}
	run, job := object{}, object{"jobType": facet("2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet", object{"processingType": "BATCH", "integration": "MILLRACE", "jobType": "JOB"})}
	if !e.Nominal.IsZero() {
		run["nominalTime"] = facet("1-0-1/NominalTimeRunFacet.json#/$defs/NominalTimeRunFacet", object{"nominalStartTime": e.Nominal.UTC().Format(time.RFC3339)})
	}
	if e.Error != "" {
		run["errorMessage"] = facet("1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet", object{"message": e.Error, "programmingLanguage": "Go"})
	}
	if len(e.Outcome) > 0 {
		outcome := object{"_producer": Producer, "_schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet"} // a facet of our own
		for k, v := range e.Outcome {
			outcome[k] = v
		}
		run["millrace_outcome"] = outcome
	}
	inputs, outputs := []object{}, []object{}
	for _, d := range e.Inputs {
		inputs = append(inputs, d.input())
	}
	for _, d := range e.Outputs {
		outputs = append(outputs, d.output())
	}
	return json.Marshal(object{"eventType": string(e.Moment), "eventTime": e.Time.UTC().Format(time.RFC3339Nano), "producer": Producer, "schemaURL": spec,
		"run": object{"runId": e.RunID, "facets": run}, "job": object{"namespace": namespace, "name": e.Job, "facets": job}, "inputs": inputs, "outputs": outputs})
}

func (d Dataset) named() object {
	f := object{}
	if len(d.Fields) > 0 {
		f["schema"] = facet("1-1-1/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet", object{"fields": d.Fields})
	}
	return object{"namespace": d.Namespace, "name": d.Name, "facets": f}
}

func (d Dataset) input() object {
	out, f := d.named(), object{}
	if d.Rows != nil || d.Bytes != nil {
		m := object{"columnMetrics": object{}}
		d.count(m, "rowCount", "bytes")
		f["dataQualityMetrics"] = facet("1-0-2/DataQualityMetricsInputDatasetFacet.json#/$defs/DataQualityMetricsInputDatasetFacet", m)
	}
	if len(d.Assertions) > 0 {
		f["dataQualityAssertions"] = facet("1-0-1/DataQualityAssertionsDatasetFacet.json#/$defs/DataQualityAssertionsDatasetFacet", object{"assertions": d.Assertions})
	}
	out["inputFacets"] = f
	return out
}

func (d Dataset) output() object {
	out, f := d.named(), object{}
	if d.Rows != nil || d.Bytes != nil {
		m := object{}
		d.count(m, "rowCount", "size")
		f["outputStatistics"] = facet("1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet", m)
	}
	out["outputFacets"] = f
	return out
}

func (d Dataset) count(into object, rows, bytes string) {
	if d.Rows != nil {
		into[rows] = *d.Rows
	}
	if d.Bytes != nil {
		into[bytes] = *d.Bytes
	}
}
