package storage

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/millrace/millrace/sdk/fault"
)

// Opener opens the store at a URL such as s3://bucket/prefix. A bare path has the scheme "file".
type Opener func(ctx context.Context, url string) (Store, error)

// Resolver opens stores by the scheme of their URL. It is a plain value: whoever
// builds the program lists its schemes, and nothing registers itself.
//
//	stores := storage.Resolver{"file": localio.Opener(localio.Options{}), "s3": s3io.Opener(opts)}
//	lake, err := stores.Open(ctx, "s3://bank/lake")
type Resolver map[string]Opener

// Open opens the store at rawURL. A rawURL without a scheme is a local path. An
// unknown scheme is a fault.Usage that lists the known ones.
func (r Resolver) Open(ctx context.Context, rawURL string) (Store, error) {
	scheme := Scheme(rawURL)
	open, ok := r[scheme]
	if !ok {
		return nil, fault.Usagef("cannot open %q: no storage for scheme %q; known are %s", Redact(rawURL), scheme, r.schemes())
	}
	return open(ctx, rawURL)
}

// OpenObject opens the store that holds the object at rawURL and returns it with
// the object's name in it: the store is the URL's folder, the name its last element.
func (r Resolver) OpenObject(ctx context.Context, rawURL string) (Store, string, error) {
	i := strings.LastIndexByte(rawURL, '/')
	if i == len(rawURL)-1 {
		return nil, "", fault.Usagef("%q names a folder where an object is wanted", Redact(rawURL))
	}
	dir, name := ".", rawURL
	if i >= 0 {
		dir, name = rawURL[:max(i, 1)], rawURL[i+1:]
	}
	store, err := r.Open(ctx, dir)
	return store, name, err
}

func (r Resolver) schemes() string {
	names := make([]string, 0, len(r))
	for name := range r {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// Scheme is the scheme of a storage URL in lower case; "file" for a bare path.
func Scheme(rawURL string) string {
	scheme, _, ok := strings.Cut(rawURL, "://")
	if !ok {
		return "file"
	}
	return strings.ToLower(scheme)
}

// Redact is rawURL without a password, for messages and logs.
func Redact(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.User == nil {
		return rawURL
	}
	return u.Redacted()
}
