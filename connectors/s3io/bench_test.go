package s3io_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/millrace/millrace/connectors/s3io"
	"github.com/millrace/millrace/internal/s3gateway/gatewaytest"
	"github.com/millrace/millrace/sdk/storage"
)

func benchStore(b *testing.B) *s3io.Store {
	g := gatewaytest.Start(b, "lake")
	opts := options(g.Endpoint())
	opts.PartSize = s3io.DefaultPartSize
	s, err := s3io.Open(b.Context(), "s3://lake", opts)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

// BenchmarkCreate uploads 64 MiB in parts, to a gateway in the same process.
func BenchmarkCreate(b *testing.B) {
	s := benchStore(b)
	piece := bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
	b.SetBytes(64 << 20)
	b.ReportAllocs()
	for b.Loop() {
		w, err := s.Create(b.Context(), "x")
		if err != nil {
			b.Fatal(err)
		}
		for range 1 << 10 {
			if _, err := w.Write(piece); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadAt reads 64 MiB in ranges of 4 MiB.
func BenchmarkReadAt(b *testing.B) {
	s := benchStore(b)
	if err := s.Put(b.Context(), "x", make([]byte, 64<<20), storage.PutOptions{}); err != nil {
		b.Fatal(err)
	}
	r, err := s.Open(b.Context(), "x")
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	buf := make([]byte, 4<<20)
	b.SetBytes(64 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.NewSectionReader(r, 0, r.Size()), buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPut writes objects of 4 KiB, as a commit's metadata are.
func BenchmarkPut(b *testing.B) {
	s := benchStore(b)
	data := make([]byte, 4<<10)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Put(b.Context(), "x", data, storage.PutOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
