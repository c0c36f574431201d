package s3gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// folder is versitygw's posix backend made independent of the working
// directory. That backend resolves a bucket's name as a relative path; folder
// passes the bucket's absolute path as its name, and takes it out of replies.
// A call that is not written out here is answered with NotImplemented, because
// passing it on would touch the working directory.
type folder struct {
	backend.BackendUnsupported
	posix *posix.Posix
	root  string
	sync  bool
	log   *slog.Logger
}

var _ backend.Backend = (*folder)(nil)

func newFolder(root string, sync bool, log *slog.Logger) (*folder, error) {
	if err := (meta.XattrMeta{}).Test(root); err != nil {
		return nil, fault.Usagef("s3 gateway: %s: %w; serve a folder on ext4, xfs or btrfs", root, err)
	}
	// posix.New changes to the folder that it is given: given the one we are in, that changes nothing.
	cwd, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("s3 gateway: find the working directory: %w", err)
	}
	p, err := posix.New(cwd, meta.XattrMeta{}, posix.PosixOpts{
		Concurrency:        64,
		ForceNoTmpFile:     true, // a replaced object is renamed over, never linked under a name that lists
		ForceNoObjLockFile: true, // one gateway a root: its own lock says so
	})
	if err != nil {
		return nil, fmt.Errorf("s3 gateway: open the backend: %w", err)
	}
	return &folder{posix: p, root: root, sync: sync, log: log}, nil
}

func (f *folder) Shutdown()      { f.posix.Shutdown() }
func (f *folder) String() string { return "millrace folder gateway" }

// path is the bucket's folder. The server has checked that name is a legal bucket name.
func (f *folder) path(name string) string     { return filepath.Join(f.root, name) }
func (f *folder) bucket(name *string) *string { p := f.path(*name); return &p }

// reply turns an error of the backend into one that a client may see.
func (f *folder) reply(op, bucket string, err error) error {
	if err == nil {
		return nil
	}
	var bucketErr s3err.BucketError
	if errors.As(err, &bucketErr) {
		bucketErr.BucketName = bucket
		return bucketErr
	}
	var s3Err s3err.S3Error
	if errors.As(err, &s3Err) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return s3err.GetAPIError(s3err.ErrNoSpaceLeftOnDevice)
	}
	if !errors.Is(err, context.Canceled) && !errors.Is(err, fs.ErrNotExist) {
		f.log.Warn("s3 gateway: request failed", "op", op, "bucket", bucket, "error", err)
	}
	return s3err.GetAPIError(s3err.ErrInternalError)
}

func (f *folder) NormalizeObjectKey(bucket, object string) string {
	return f.posix.NormalizeObjectKey(f.path(bucket), object)
}

// ensureBucket makes a bucket without a request.
func (f *folder) ensureBucket(ctx context.Context, name, owner string) error {
	if strings.ContainsAny(name, "/\\") || strings.HasPrefix(name, ".") || len(name) < 3 {
		return fault.Usagef("s3 gateway: %q cannot be a bucket's name", name)
	}
	acl := fmt.Sprintf(`{"Owner":%q}`, owner)
	//lint:ignore SA1029 the backend looks for this key
	ctx = context.WithValue(ctx, "bucket-owner", auth.Account{Access: owner})
	in := &s3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: &types.CreateBucketConfiguration{}, ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}
	err := f.CreateBucket(ctx, in, []byte(acl))
	var exists s3err.BucketError
	if errors.As(err, &exists) && strings.HasPrefix(exists.Code, "BucketAlready") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("s3 gateway: create bucket %s: %w", name, err)
	}
	return nil
}

func (f *folder) ListBuckets(_ context.Context, in s3response.ListBucketsInput) (s3response.ListAllMyBucketsResult, error) {
	res := s3response.ListAllMyBucketsResult{Owner: s3response.CanonicalUser{ID: in.Owner}, Prefix: in.Prefix}
	entries, err := os.ReadDir(f.root)
	if err != nil {
		return res, f.reply("ListBuckets", "", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !entry.IsDir() || strings.HasPrefix(name, ".") || !strings.HasPrefix(name, in.Prefix) || name <= in.ContinuationToken {
			continue
		}
		list := &res.Buckets.Bucket
		if in.MaxBuckets > 0 && len(*list) == int(in.MaxBuckets) {
			res.ContinuationToken = (*list)[len(*list)-1].Name
			break
		}
		if info, err := entry.Info(); err == nil {
			*list = append(*list, s3response.ListAllMyBucketsEntry{Name: name, CreationDate: info.ModTime()})
		}
	}
	return res, nil
}

func (f *folder) HeadBucket(ctx context.Context, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error) {
	x := *in
	x.Bucket = f.bucket(in.Bucket)
	out, err := f.posix.HeadBucket(ctx, &x)
	return out, f.reply("HeadBucket", *in.Bucket, err)
}

func (f *folder) CreateBucket(ctx context.Context, in *s3.CreateBucketInput, acl []byte) error {
	x := *in
	x.Bucket = f.bucket(in.Bucket)
	if err := f.posix.CreateBucket(ctx, &x, acl); err != nil {
		return f.reply("CreateBucket", *in.Bucket, err)
	}
	return f.reply("CreateBucket", *in.Bucket, f.syncDirs(f.root))
}

func (f *folder) DeleteBucket(ctx context.Context, bucket string) error {
	return f.reply("DeleteBucket", bucket, f.posix.DeleteBucket(ctx, f.path(bucket)))
}

func (f *folder) GetBucketAcl(ctx context.Context, in *s3.GetBucketAclInput) ([]byte, error) {
	x := *in
	x.Bucket = f.bucket(in.Bucket)
	out, err := f.posix.GetBucketAcl(ctx, &x)
	return out, f.reply("GetBucketAcl", *in.Bucket, err)
}

func (f *folder) GetBucketPolicy(ctx context.Context, bucket string) ([]byte, error) {
	out, err := f.posix.GetBucketPolicy(ctx, f.path(bucket))
	return out, f.reply("GetBucketPolicy", bucket, err)
}

func (f *folder) GetBucketCors(ctx context.Context, bucket string) ([]byte, error) {
	out, err := f.posix.GetBucketCors(ctx, f.path(bucket))
	return out, f.reply("GetBucketCors", bucket, err)
}

func (f *folder) GetBucketOwnershipControls(ctx context.Context, bucket string) (types.ObjectOwnership, error) {
	out, err := f.posix.GetBucketOwnershipControls(ctx, f.path(bucket))
	return out, f.reply("GetBucketOwnershipControls", bucket, err)
}

func (f *folder) GetBucketVersioning(ctx context.Context, bucket string) (s3response.GetBucketVersioningOutput, error) {
	out, err := f.posix.GetBucketVersioning(ctx, f.path(bucket))
	return out, f.reply("GetBucketVersioning", bucket, err)
}

func (f *folder) GetObjectLockConfiguration(ctx context.Context, bucket string) ([]byte, error) {
	out, err := f.posix.GetObjectLockConfiguration(ctx, f.path(bucket))
	return out, f.reply("GetObjectLockConfiguration", bucket, err)
}

func (f *folder) GetObjectRetention(ctx context.Context, bucket, object, version string) ([]byte, error) {
	out, err := f.posix.GetObjectRetention(ctx, f.path(bucket), object, version)
	return out, f.reply("GetObjectRetention", bucket, err)
}

func (f *folder) GetObjectLegalHold(ctx context.Context, bucket, object, version string) (*bool, error) {
	out, err := f.posix.GetObjectLegalHold(ctx, f.path(bucket), object, version)
	return out, f.reply("GetObjectLegalHold", bucket, err)
}

// syncObject makes an object durable: its bytes and attributes, and the names on the way to it.
func (f *folder) syncObject(bucket, key string) error {
	if !f.sync {
		return nil
	}
	path := filepath.Join(f.path(bucket), filepath.FromSlash(key))
	if err := syncPath(path); err != nil {
		return err
	}
	return f.syncDirs(filepath.Dir(path))
}

// syncDirs syncs dir and its parents up to the root.
func (f *folder) syncDirs(dir string) error {
	for f.sync {
		if err := syncPath(dir); err != nil {
			return err
		}
		if dir == f.root || len(dir) < len(f.root) {
			return nil
		}
		dir = filepath.Dir(dir)
	}
	return nil
}

// syncPath syncs one file or folder; one that is gone was deleted meanwhile and needs no syncing.
func syncPath(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}
