package reconcile

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// followStep is a step as the journal holds it: what came, or that the clock was looked at.
type followStep struct {
	Now   time.Time   `json:"now"`
	Alert bool        `json:"alert,omitempty"`
	Sides []*sideNews `json:"sides,omitempty"`
	Told  int64       `json:"told"` // number of the last event that everybody had been told before
}

// followKept is the whole state.
type followKept struct {
	Journal int64             `json:"journal"` // number of the journal that goes on from here
	SHA256  string            `json:"rules_sha256"`
	Seq     int64             `json:"seq"`
	Told    int64             `json:"told"`
	Sides   []sidePosition    `json:"sides"`
	Legs    []json.RawMessage `json:"legs"`
}

// Names in the folder of the state.
const (
	stateName     = "state.json"
	journalPrefix = "journal-"
)

// followState is the folder of a run's state: the whole as of some time, and a journal of the steps since.
type followState struct {
	dir     string
	store   storage.Store
	lock    *os.File
	number  int64
	journal *os.File // nil until the first step
	size    int64    // of the journal
	whole   int64    // bytes of the whole state
}

func openFollowState(dir string) (*followState, error) {
	store, err := localio.Open(dir, localio.Options{})
	if err != nil {
		return nil, err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	return &followState{dir: dir, store: store, lock: lock}, nil
}

func (s *followState) close() error {
	var err error
	if s.journal != nil {
		err = s.journal.Close()
	}
	return errors.Join(err, s.lock.Close())
}

func (s *followState) name() string {
	return filepath.Join(s.dir, fmt.Sprintf("%s%d", journalPrefix, s.number))
}

// read reads the whole state; nil where there is none yet.
func (s *followState) read() (*followKept, error) {
	data, err := s.store.Get(context.Background(), stateName)
	if errors.Is(err, storage.ErrNotExist) {
		return nil, nil
	}
	var kept followKept
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err != nil {
		return nil, fmt.Errorf("read state in %s: %w", s.dir, err)
	}
	s.number, s.whole = kept.Journal, int64(len(data))
	return &kept, nil
}

// write writes the whole state and begins a new journal.
func (s *followState) write(kept *followKept) error {
	kept.Journal = s.number + 1
	data, err := json.Marshal(kept)
	if err == nil {
		err = s.store.Put(context.Background(), stateName, data, storage.PutOptions{})
	}
	if err == nil && s.journal != nil {
		err = s.journal.Close()
	}
	if err != nil {
		return fmt.Errorf("write state to %s: %w", s.dir, err)
	}
	s.journal, s.size, s.number, s.whole = nil, 0, kept.Journal, int64(len(data))
	others, err := os.ReadDir(s.dir)
	for _, o := range others {
		if strings.HasPrefix(o.Name(), journalPrefix) && o.Name() != filepath.Base(s.name()) {
			err = errors.Join(err, os.Remove(filepath.Join(s.dir, o.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("remove the journal before from %s: %w", s.dir, err)
	}
	return nil
}

// long reports whether the journal is worth replacing by the whole.
func (s *followState) long() bool { return s.size > max(4<<20, s.whole) }

// journalTable checks the journal's records.
var journalTable = crc32.MakeTable(crc32.Castagnoli)

// append writes a step to the journal, and returns once it is on disk.
func (s *followState) append(step *followStep) error {
	body, err := json.Marshal(step)
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if s.journal == nil {
		if s.journal, err = os.OpenFile(s.name(), os.O_RDWR|os.O_CREATE, 0o600); err == nil {
			_, err = s.journal.Seek(s.size, io.SeekStart)
		}
		if err == nil {
			err = syncFolder(s.dir)
		}
	}
	var head [8]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(body)))
	binary.LittleEndian.PutUint32(head[4:], crc32.Checksum(body, journalTable))
	if err == nil {
		_, err = s.journal.Write(append(head[:], body...))
	}
	if err == nil {
		err = s.journal.Sync()
	}
	if err != nil {
		return fmt.Errorf("write journal %s: %w", s.name(), err)
	}
	s.size += int64(len(head) + len(body))
	return nil
}

// replay hands the journal's steps over. What was being written when the run was killed is cut off: nothing of it was told.
func (s *followState) replay(each func(*followStep) error) error {
	data, err := os.ReadFile(s.name())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	if s.size, err = readJournal(data, each); err != nil {
		return fmt.Errorf("replay journal %s: %w", s.name(), err)
	}
	if err := os.Truncate(s.name(), s.size); err != nil {
		return fmt.Errorf("cut journal: %w", err)
	}
	return nil
}

// readJournal reads whole records, and returns how many bytes they have.
func readJournal(data []byte, each func(*followStep) error) (size int64, err error) {
	for {
		rest := data[size:]
		if len(rest) < 8 {
			return size, nil
		}
		n := int64(binary.LittleEndian.Uint32(rest))
		if int64(len(rest))-8 < n || crc32.Checksum(rest[8:8+n], journalTable) != binary.LittleEndian.Uint32(rest[4:]) {
			return size, nil
		}
		var step followStep
		if err := json.Unmarshal(rest[8:8+n], &step); err != nil {
			return size, err
		}
		if err := each(&step); err != nil {
			return size, err
		}
		size += 8 + n
	}
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lastSeq cuts a file of events after its last whole line, and returns that line's number; 0 where there is none.
func lastSeq(file *os.File) (seq int64, err error) {
	in := bufio.NewReaderSize(file, 1<<20)
	var size int64
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		var e struct {
			Seq int64 `json:"seq"`
		}
		if err := json.Unmarshal(bytes.TrimSpace(line), &e); err != nil {
			return 0, fault.Usagef("it is no file of events: %v; give another --out", err)
		}
		size, seq = size+int64(len(line)), max(seq, e.Seq)
	}
	if err := file.Truncate(size); err != nil {
		return 0, err
	}
	_, err = file.Seek(size, io.SeekStart)
	return seq, err
}
