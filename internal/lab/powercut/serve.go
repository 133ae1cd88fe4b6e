package powercut

import (
	"context"
	"fmt"
	"io"
	"log"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

const imageName = "image"

// serve mounts a file system at a directory that holds the image as its one file.
func serve(dir string, of *image) (*fuse.Server, error) {
	const forGood = time.Hour
	keep, quiet := forGood, log.New(io.Discard, "", 0) //nolint:forbidigo // go-fuse takes no other; a killed process leaves a request that nobody wants answered
	server, err := fs.Mount(dir, &top{of: of}, &fs.Options{
		AttrTimeout: &keep, EntryTimeout: &keep,
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "powercut", Name: "powercut", MaxWrite: 512 << 10, Logger: quiet},
	})
	if err != nil {
		return nil, fmt.Errorf("mount the disk's image by FUSE: %w", err)
	}
	return server, nil
}

// top is the directory with the image.
type top struct {
	fs.Inode

	of *image
}

// OnAdd implements fs.NodeOnAdder.
func (t *top) OnAdd(ctx context.Context) {
	t.AddChild(imageName, t.NewPersistentInode(ctx, &file{of: t.of}, fs.StableAttr{Mode: fuse.S_IFREG}), true)
}

// file is the image.
type file struct {
	fs.Inode

	of *image
}

// Getattr implements fs.NodeGetattrer.
func (f *file) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size, out.Blksize = 0o600, uint64(len(f.of.cache)), block
	return 0
}

// Open implements fs.NodeOpener.
func (f *file) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	f.of.mu.Lock()
	defer f.of.mu.Unlock()
	return &handle{f.of, f.of.generation}, fuse.FOPEN_DIRECT_IO, 0
}

// handle is the image, open between two cuts.
type handle struct {
	of         *image
	generation int
}

// Read implements fs.FileReader.
func (h *handle) Read(_ context.Context, b []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	n, err := h.of.read(h.generation, b, at)
	return fuse.ReadResultData(b[:n]), err
}

// Write implements fs.FileWriter.
func (h *handle) Write(_ context.Context, b []byte, at int64) (uint32, syscall.Errno) {
	return uint32(len(b)), h.of.write(h.generation, b, at) //nolint:gosec // a request of FUSE
}

// Fsync implements fs.FileFsyncer.
func (h *handle) Fsync(context.Context, uint32) syscall.Errno { return h.of.flush(h.generation) }
