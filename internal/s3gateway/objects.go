package s3gateway

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/s3response"
)

func (f *folder) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	bucket := *in.Bucket
	in.Bucket = f.bucket(in.Bucket)
	out, err := f.posix.PutObject(ctx, in)
	if err == nil {
		err = f.syncObject(bucket, *in.Key)
	}
	return out, f.reply("PutObject", bucket, err)
}

func (f *folder) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	x := *in
	x.Bucket = f.bucket(in.Bucket)
	out, err := f.posix.GetObject(ctx, &x)
	return out, f.reply("GetObject", *in.Bucket, err)
}

func (f *folder) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	x := *in
	x.Bucket = f.bucket(in.Bucket)
	out, err := f.posix.HeadObject(ctx, &x)
	return out, f.reply("HeadObject", *in.Bucket, err)
}

func (f *folder) GetObjectAttributes(ctx context.Context, in *s3.GetObjectAttributesInput) (s3response.GetObjectAttributesResponse, error) {
	x := *in
	x.Bucket = f.bucket(in.Bucket)
	out, err := f.posix.GetObjectAttributes(ctx, &x)
	return out, f.reply("GetObjectAttributes", *in.Bucket, err)
}

func (f *folder) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	x := *in
	x.Bucket = f.bucket(in.Bucket)
	out, err := f.posix.DeleteObject(ctx, &x)
	return out, f.reply("DeleteObject", *in.Bucket, err)
}

func (f *folder) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	x := *in
	x.Bucket = f.bucket(in.Bucket)
	out, err := f.posix.DeleteObjects(ctx, &x)
	return out, f.reply("DeleteObjects", *in.Bucket, err)
}

func (f *folder) ListObjects(ctx context.Context, in *s3.ListObjectsInput) (s3response.ListObjectsResult, error) {
	x := *in
	x.Bucket = f.bucket(in.Bucket)
	out, err := f.posix.ListObjects(ctx, &x)
	out.Name = in.Bucket
	return out, f.reply("ListObjects", *in.Bucket, err)
}

func (f *folder) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (s3response.ListObjectsV2Result, error) {
	x := *in
	x.Bucket = f.bucket(in.Bucket)
	out, err := f.posix.ListObjectsV2(ctx, &x)
	out.Name = in.Bucket
	return out, f.reply("ListObjectsV2", *in.Bucket, err)
}

func (f *folder) CreateMultipartUpload(ctx context.Context, in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	bucket := *in.Bucket
	in.Bucket = f.bucket(in.Bucket)
	out, err := f.posix.CreateMultipartUpload(ctx, in)
	out.Bucket = bucket
	return out, f.reply("CreateMultipartUpload", bucket, err)
}

func (f *folder) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	x := *in
	x.Bucket = f.bucket(in.Bucket)
	out, err := f.posix.UploadPart(ctx, &x)
	return out, f.reply("UploadPart", *in.Bucket, err)
}

func (f *folder) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	x := *in
	x.Bucket = f.bucket(in.Bucket)
	out, version, err := f.posix.CompleteMultipartUpload(ctx, &x)
	if err == nil {
		err = f.syncObject(*in.Bucket, *in.Key)
	}
	out.Bucket = in.Bucket
	return out, version, f.reply("CompleteMultipartUpload", *in.Bucket, err)
}

func (f *folder) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput) error {
	x := *in
	x.Bucket = f.bucket(in.Bucket)
	return f.reply("AbortMultipartUpload", *in.Bucket, f.posix.AbortMultipartUpload(ctx, &x))
}

func (f *folder) ListMultipartUploads(ctx context.Context, in *s3.ListMultipartUploadsInput) (s3response.ListMultipartUploadsResult, error) {
	x := *in
	x.Bucket = f.bucket(in.Bucket)
	out, err := f.posix.ListMultipartUploads(ctx, &x)
	out.Bucket = *in.Bucket
	return out, f.reply("ListMultipartUploads", *in.Bucket, err)
}

func (f *folder) ListParts(ctx context.Context, in *s3.ListPartsInput) (s3response.ListPartsResult, error) {
	x := *in
	x.Bucket = f.bucket(in.Bucket)
	out, err := f.posix.ListParts(ctx, &x)
	out.Bucket = *in.Bucket
	return out, f.reply("ListParts", *in.Bucket, err)
}
