package s3io

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Source is where credentials come from.
type Source string

// The sources of credentials.
const (
	// FromAnywhere takes the first that has any: the static keys, the environment,
	// the shared credentials file, the machine's role. The default.
	FromAnywhere Source = ""
	FromStatic   Source = "static" // AccessKey and SecretKey
	// FromEnv takes MILLRACE_S3_ACCESS_KEY and MILLRACE_S3_SECRET_KEY, or
	// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
	FromEnv   Source = "env"
	FromFile  Source = "file"      // a profile of the AWS credentials file; refreshed when it expires
	FromIAM   Source = "iam"       // the role of the EC2, ECS or EKS machine; refreshed before it expires
	Anonymous Source = "anonymous" // unsigned requests
)

// iamProbe bounds how long FromAnywhere waits for a machine role that may not exist.
const iamProbe = 2 * time.Second

// Credentials names the keys to sign with, or where to find them. It prints without secrets.
type Credentials struct {
	Source       Source
	AccessKey    string // for FromStatic
	SecretKey    string // for FromStatic
	SessionToken string // for FromStatic, with temporary keys
	File         string // for FromFile; "" is ~/.aws/config and ~/.aws/credentials
	Profile      string // for FromFile; "" is AWS_PROFILE, then "default"
	IAMEndpoint  string // for FromIAM; "" is the cloud's own
}

// String masks the secret key and the session token.
func (c Credentials) String() string {
	return fmt.Sprintf("{source %s, access key %s, secret key %s}", firstOf(c.Source, "auto"), firstOf(c.AccessKey, "none"), masked(c.SecretKey))
}

// GoString masks what String masks.
func (c Credentials) GoString() string { return c.String() }

func masked(secret string) string {
	if secret == "" {
		return "none"
	}
	return "****"
}

func (c Credentials) fault() string {
	switch c.Source {
	case FromAnywhere, FromStatic:
		if (c.AccessKey == "") != (c.SecretKey == "") {
			return "credentials: the access key and the secret key must be given together"
		}
		if c.Source == FromStatic && c.AccessKey == "" {
			return "credentials: source static needs an access key and a secret key"
		}
	case FromEnv, FromFile, FromIAM, Anonymous:
		if c.AccessKey != "" || c.SecretKey != "" {
			return fmt.Sprintf("credentials: source %s does not use the access key and the secret key that are given", c.Source)
		}
	default:
		return fmt.Sprintf("credentials: source %q: want static, env, file, iam or anonymous", c.Source)
	}
	return ""
}

// resolve finds the credentials and the access key that they begin with, "" if anonymous.
func (c Credentials) resolve(ctx context.Context, getenv func(string) string, transport http.RoundTripper) (*credentials.Credentials, string, error) {
	switch c.Source {
	case FromStatic:
		return static(c.AccessKey, c.SecretKey, c.SessionToken), c.AccessKey, nil
	case FromEnv:
		if creds, id := fromEnv(getenv); creds != nil {
			return creds, id, nil
		}
		return nil, "", fault.Usagef("s3 credentials: the environment has neither MILLRACE_S3_ACCESS_KEY and MILLRACE_S3_SECRET_KEY nor AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	case FromFile:
		creds := credentials.NewFileAWSCredentials(c.File, c.Profile)
		id, err := firstKey(ctx, creds, transport)
		if err != nil {
			return nil, "", fault.Usagef("s3 credentials: profile %q of %s: %w", firstOf(c.Profile, "default"), firstOf(c.File, "the AWS files"), err)
		}
		return creds, id, nil
	case FromIAM:
		creds := credentials.NewIAM(c.IAMEndpoint)
		id, err := firstKey(ctx, creds, transport)
		if err != nil {
			return nil, "", fault.Usagef("s3 credentials: this machine has no role to offer: %w", err)
		}
		return creds, id, nil
	case Anonymous:
		return credentials.NewStatic("", "", "", credentials.SignatureAnonymous), "", nil
	}
	return c.anywhere(ctx, getenv, transport)
}

func (c Credentials) anywhere(ctx context.Context, getenv func(string) string, transport http.RoundTripper) (*credentials.Credentials, string, error) {
	if c.AccessKey != "" {
		return static(c.AccessKey, c.SecretKey, c.SessionToken), c.AccessKey, nil
	}
	if creds, id := fromEnv(getenv); creds != nil {
		return creds, id, nil
	}
	file := credentials.NewFileAWSCredentials(c.File, c.Profile)
	if id, err := firstKey(ctx, file, transport); err == nil {
		return file, id, nil
	}
	probe, cancel := context.WithTimeout(ctx, iamProbe)
	defer cancel()
	role := credentials.NewIAM(c.IAMEndpoint)
	if id, err := firstKey(probe, role, transport); err == nil {
		return role, id, nil
	}
	return nil, "", fault.Usagef("s3 credentials: none found: set MILLRACE_S3_ACCESS_KEY and MILLRACE_S3_SECRET_KEY (or the AWS_ ones), a profile in ~/.aws/credentials, or a machine role; for a public bucket say source anonymous")
}

func static(id, secret, token string) *credentials.Credentials {
	return credentials.NewStaticV4(id, secret, token)
}

func fromEnv(getenv func(string) string) (*credentials.Credentials, string) {
	if id, secret := getenv("MILLRACE_S3_ACCESS_KEY"), getenv("MILLRACE_S3_SECRET_KEY"); id != "" && secret != "" {
		return static(id, secret, ""), id
	}
	if id, secret := getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY"); id != "" && secret != "" {
		return static(id, secret, getenv("AWS_SESSION_TOKEN")), id
	}
	return nil, ""
}

// firstKey asks creds once, so that a mistake shows now.
func firstKey(ctx context.Context, creds *credentials.Credentials, transport http.RoundTripper) (string, error) {
	value, err := creds.GetWithContext(&credentials.CredContext{Context: ctx, Client: &http.Client{Transport: transport}})
	if err != nil {
		return "", err
	}
	if value.AccessKeyID == "" || value.SecretAccessKey == "" {
		return "", fmt.Errorf("it holds no aws_access_key_id and aws_secret_access_key")
	}
	return value.AccessKeyID, nil
}
