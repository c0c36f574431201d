package s3io

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/minio/minio-go/v7"
)

var (
	// errChanged ends reads of an object that is no longer the one that was opened.
	errChanged = errors.New("the object was replaced while it was read")
	// errShrunk is an object that ends before the range that was asked for.
	errShrunk = errors.New("the object is shorter than when it was opened")
	// errCut is a body that ended early.
	errCut = errors.New("the answer was cut")
	// errChangedAgain restarts a download from its first byte.
	errChangedAgain = errors.New("the object was replaced while it was downloaded")
	// errVanished asks for another try of a conditional write.
	errVanished = errors.New("the object vanished while its writer was looked up")
)

// reply is the server's own error in err, if it is one.
func reply(err error) (minio.ErrorResponse, bool) {
	var r minio.ErrorResponse
	ok := errors.As(err, &r)
	return r, ok
}

// passing reports whether the same request may succeed if it is made again.
func passing(err error) bool {
	if r, ok := reply(err); ok {
		return passingReply(r)
	}
	switch {
	case errors.Is(err, errChanged), errors.Is(err, errShrunk), isTrustFault(err):
		return false
	}
	return true // a network's or a connection's failure, a cut body, a damaged reply
}

func passingReply(r minio.ErrorResponse) bool {
	switch r.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusTooEarly:
		return true
	case http.StatusNotImplemented, http.StatusInsufficientStorage, http.StatusHTTPVersionNotSupported:
		return false
	case http.StatusConflict: // a rival's conditional write is in flight
		return r.Code == "ConditionalRequestConflict" || r.Code == "OperationAborted"
	}
	if r.StatusCode >= 500 && !isFull(r) {
		return true
	}
	switch r.Code { // some come with 400, or inside a reply of 200
	case "RequestTimeout", "SlowDown", "SlowDownRead", "SlowDownWrite", "InternalError", "ServiceUnavailable", "Throttling",
		"ThrottlingException", "RequestLimitExceeded", "BadDigest", "IncompleteBody", "XAmzContentChecksumMismatch",
		"XAmzContentSHA256Mismatch", "InvalidDigest":
		return true
	}
	return false
}

func isFull(r minio.ErrorResponse) bool {
	switch r.Code {
	case "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded":
		return true
	}
	return r.StatusCode == http.StatusInsufficientStorage
}

// isNoHost reports whether the name of the server is not known, which at the first contact is a typing mistake.
func isNoHost(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// isTrustFault reports whether err says that the connection's security is set up wrongly.
func isTrustFault(err error) bool {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid) || errors.As(err, &verify) ||
		errors.As(err, &record) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// unknown reports whether the request that failed with err may have been carried out.
func unknown(err error) bool {
	r, ok := reply(err)
	return !ok || r.StatusCode >= 500 || r.StatusCode == http.StatusRequestTimeout || r.StatusCode < 300
}

func hasCode(err error, codes ...string) bool {
	r, ok := reply(err)
	if !ok {
		return false
	}
	for _, code := range codes {
		if r.Code == code {
			return true
		}
	}
	return false
}

func isAbsent(err error) bool {
	r, ok := reply(err)
	return ok && r.Code == minio.NoSuchKey
}

func isConditionFailed(err error) bool {
	r, ok := reply(err)
	return ok && (r.Code == minio.PreconditionFailed || r.StatusCode == http.StatusPreconditionFailed)
}

// explain turns a final failure into an error that says what to do about it.
func (s *Store) explain(what op, err error) error {
	where := "s3: " + s.describe(what)
	r, ok := reply(err)
	if !ok {
		if isTrustFault(err) {
			return fault.Usagef("%s: %w; use the right scheme, and name the authority that signed the server's certificate (CAFile)", where, plain(err))
		}
		if isNoHost(err) {
			return fault.Usagef("%s: %w; correct the endpoint", where, plain(err))
		}
		return fmt.Errorf("%s: %w", where, plain(err))
	}
	switch {
	case r.Code == minio.NoSuchBucket:
		return fault.Usagef("%s: there is no bucket %q; create it or correct the URL", where, s.bucket)
	case isAbsent(err):
		return fmt.Errorf("%s: %w", where, storage.ErrNotExist)
	case isConditionFailed(err):
		return fmt.Errorf("%s: %w", where, storage.ErrExist)
	case isFull(r):
		return fault.Mark(fault.Fault, fmt.Errorf("%s: %w (%s); free some space or raise the quota", where, storage.ErrNoSpace, r.Code))
	case r.Code == "BucketAlreadyExists":
		return fault.Usagef("%s: the bucket %q belongs to somebody else; choose another name", where, s.bucket)
	case r.Code == "InvalidBucketName":
		return fault.Usagef("%s: the server refuses the bucket name %q", where, s.bucket)
	case r.Code == "RequestTimeTooSkewed":
		return fault.Usagef("%s: this machine's clock differs from the server's; set it", where)
	case r.Code == "AuthorizationHeaderMalformed", r.Code == "InvalidRegion", r.Code == "IllegalLocationConstraintException",
		r.StatusCode == http.StatusMovedPermanently, r.StatusCode == http.StatusTemporaryRedirect:
		return fault.Usagef("%s: bucket %q is not in region %q%s; set the region", where, s.bucket, s.opts.Region, regionHint(r))
	case isDenied(r):
		return s.denied(where, r)
	}
	return fmt.Errorf("%s: %s: %w", where, r.Code, err)
}

func regionHint(r minio.ErrorResponse) string {
	if r.Region == "" {
		return ""
	}
	return fmt.Sprintf(" but in %q", r.Region)
}

func isDenied(r minio.ErrorResponse) bool {
	switch r.Code {
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "ExpiredTokenException",
		"TokenRefreshRequired", "AccountProblem", "AllAccessDisabled", "NotSignedUp", "InvalidSecurity", "XAdminUserNotFound":
		return true
	}
	return r.StatusCode == http.StatusForbidden || r.StatusCode == http.StatusUnauthorized
}

func (s *Store) denied(where string, r minio.ErrorResponse) error {
	if s.keyID == "" {
		return fault.Usagef("%s: access to bucket %q was denied without credentials (%s); give an access key and a secret key", where, s.bucket, r.Code)
	}
	hint := "check the access key and the secret key, and what they may do"
	switch r.Code {
	case "InvalidAccessKeyId", "XAdminUserNotFound":
		hint = "the server does not know this access key"
	case "SignatureDoesNotMatch":
		hint = "the secret key does not belong to this access key"
	case "ExpiredToken", "ExpiredTokenException":
		hint = "the session has expired; renew it"
	}
	return fault.Usagef("%s: access to bucket %q was denied for access key %s (%s): %s", where, s.bucket, s.keyID, r.Code, hint)
}

// plain strips the request's URL, which is in the message already, from a transport's error.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var r minio.ErrorResponse
	if errors.As(err, &r) {
		return fmt.Errorf("%s (HTTP %d %s)", r.Error(), r.StatusCode, r.Code)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return fmt.Errorf("cannot find the host %s: %w", dns.Name, err)
	}
	return err
}
