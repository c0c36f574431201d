package catalog

import (
	"encoding/json"
	"fmt"
)

// tableChangeFields is a TableChange without its methods.
type tableChangeFields TableChange

// tableChangeWire is a TableChange as it travels between the tasks of a pipeline: an Arrow
// schema has no JSON form of its own, and encoded as one it would arrive empty.
type tableChangeWire struct {
	tableChangeFields
	Schema []byte `json:",omitempty"` // an Arrow IPC stream without batches; it hides the field of the same name
}

// MarshalJSON encodes the change whole, its schema with the fields' ids and metadata included.
func (tc TableChange) MarshalJSON() ([]byte, error) {
	w := tableChangeWire{tableChangeFields: tableChangeFields(tc)}
	if tc.Schema != nil {
		var err error
		if w.Schema, err = encodeSchema(tc.Schema); err != nil {
			return nil, fmt.Errorf("change of table %s: %w", tc.Table, err)
		}
	}
	return json.Marshal(w)
}

// UnmarshalJSON decodes what MarshalJSON wrote.
func (tc *TableChange) UnmarshalJSON(data []byte) error {
	var w tableChangeWire
	if err := json.Unmarshal(data, &w); err != nil {
		return fmt.Errorf("decode a table's change: %w", err)
	}
	*tc = TableChange(w.tableChangeFields)
	tc.Schema = nil
	if w.Schema == nil {
		return nil
	}
	var err error
	if tc.Schema, err = decodeSchema(w.Schema); err != nil {
		return fmt.Errorf("change of table %s: %w", tc.Table, err)
	}
	return nil
}
