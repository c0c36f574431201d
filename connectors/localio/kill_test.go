package localio_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"testing"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/storage"
)

// killedStore names, to a re-executed test, the folder to write objects in until it is killed.
const killedStore = "MILLRACE_TEST_KILLED_STORE"

// sealed is a payload that proves that it is whole: a checksum and what it is of.
func sealed(i int) []byte {
	body := bytes.Repeat([]byte{byte(i), byte(i >> 8), 'x'}, 1000+i*37%200_000)
	return append(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(body)), body...)
}

func isWhole(data []byte) bool {
	return len(data) > 4 && binary.LittleEndian.Uint32(data) == crc32.ChecksumIEEE(data[4:])
}

// writeForever writes objects in each of the three ways and says so, one line each.
func writeForever(t *testing.T, dir string) {
	s, err := localio.Open(dir, localio.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		name := fmt.Sprintf("%d/object-%d", i%5, i%40)
		switch i % 3 {
		case 0:
			err = s.Put(t.Context(), name, sealed(i), storage.PutOptions{})
		case 1:
			name = fmt.Sprintf("once/%d-%d", os.Getpid(), i)
			err = s.Put(t.Context(), name, sealed(i), storage.PutOptions{IfAbsent: true})
		case 2:
			var w storage.Writer
			if w, err = s.Create(t.Context(), name); err == nil {
				data := sealed(i)
				w.Write(data[:len(data)/2])
				w.Write(data[len(data)/2:])
				err = w.Close()
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(os.Stderr, name)
	}
}

// Whenever a writer is killed, what it said it wrote is there, and everything that is there is whole.
func TestKilledWriter(t *testing.T) {
	if dir := os.Getenv(killedStore); dir != "" {
		writeForever(t, dir)
	}
	dir := t.TempDir()
	s, err := localio.Open(dir, localio.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for kill := range 8 {
		said := killAfter(t, dir, 3+kill*5)
		for _, name := range said {
			if data, err := s.Get(t.Context(), name); err != nil || !isWhole(data) {
				t.Errorf("kill %d: %s was written: %d bytes, %v", kill, name, len(data), err)
			}
		}
		for info, err := range s.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			if data, err := s.Get(t.Context(), info.Name); err != nil || !isWhole(data) {
				t.Errorf("kill %d: %s is there with %d bytes that are not whole, %v", kill, info.Name, len(data), err)
			}
		}
	}
}

// killAfter kills a writer once it has said that it wrote n objects, and returns their names.
func killAfter(t *testing.T, dir string, n int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
	cmd.Env = append(os.Environ(), killedStore+"="+dir)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	lines := bufio.NewScanner(out)
	for len(said) < n && lines.Scan() {
		said = append(said, lines.Text())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // what it said before it died
		said = append(said, lines.Text())
	}
	cmd.Wait()
	if len(said) < n {
		t.Fatalf("the writer said %q and ended", said)
	}
	return said
}
