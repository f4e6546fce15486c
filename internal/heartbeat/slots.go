// SPDX-License-Identifier: BSD-2-Clause

package heartbeat

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/atomicfile"
)

// slotSize is the size of a slot: a block of most file systems, so that a write of one touches
// nothing of the other.
const slotSize = 4096

// keeper writes the notes of one daemon. Its first beat replaces the file by one with two
// slots, and each later one is written into the older of these: such a write allocates
// nothing and changes no directory, so that the disk has one block to write and not four. A
// power failure can tear the slot that is being written. Then the other one counts, which is
// a beat older. All other notes, and those after somebody else's, replace the file.
type keeper struct {
	path string
	file *atomicfile.File
	own  fileID // of the file with this keeper's slots; zero: none
	beat uint64 // the number of the last note in it
}

func newKeeper(path string) *keeper { return &keeper{path: path, file: noteAt(path)} }

// write writes n and waits for the disk.
func (k *keeper) write(n Note) error {
	text, err := n.MarshalText()
	if err != nil {
		return err
	}
	if n.State != Running {
		k.own = fileID{}
		return failed(k.file.WriteSync(atomicfile.Bytes(text)))
	}
	k.beat++
	slot, err := slotOf(text, k.beat)
	if err != nil {
		return err
	}
	if k.own != (fileID{}) {
		done, err := k.inPlace(slot)
		if done || err != nil {
			return failed(err)
		}
	}
	return failed(k.file.WriteSync(func(w io.Writer) error {
		slots := bytes.Repeat([]byte("\n"), 2*slotSize)
		copy(slots[k.offset():], slot)
		if _, err := w.Write(slots); err != nil {
			return err
		}
		var err error
		k.own, err = identify(int(w.(*os.File).Fd()))
		return err
	}))
}

func failed(err error) error {
	if err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	return nil
}

// slotOf returns a slot with the text of a note.
func slotOf(text []byte, beat uint64) ([]byte, error) {
	text = fmt.Appendf(text, "beat %d ", beat)
	text = fmt.Appendf(text, "%08x\n", crc32.ChecksumIEEE(text))
	if len(text) >= slotSize {
		return nil, errors.New("heartbeat: note too long")
	}
	// The file is a text: people and their scripts look at it.
	return fmt.Appendf(text, "%*s", slotSize-len(text), "\n"), nil
}

// offset is where the next slot belongs in the file.
func (k *keeper) offset() int64 { return int64(k.beat%2) * slotSize }

// inPlace writes a slot, unless the file is another one by now. After an error the next note
// replaces the file.
func (k *keeper) inPlace(slot []byte) (done bool, err error) {
	own := k.own
	k.own = fileID{}
	// Not os.OpenFile, which would try to have the file polled.
	fd, err := unix.Open(k.path, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, nil // whatever is there now
	}
	defer unix.Close(fd)
	if id, err := identify(fd); err != nil || id != own {
		return false, err
	}
	n, err := unix.Pwrite(fd, slot, k.offset())
	if err == nil && n < len(slot) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = unix.Fdatasync(fd)
	}
	if err != nil {
		return false, &fs.PathError{Op: "write", Path: k.path, Err: err}
	}
	k.own = own
	return true, nil
}

// fileID tells a file from others, and from itself after its size has changed.
type fileID struct{ dev, ino, size uint64 }

func identify(fd int) (fileID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fileID{}, err
	}
	return fileID{uint64(st.Dev), st.Ino, uint64(st.Size)}, nil
}

// parseFile parses what a file holds: one note, or two slots.
func parseFile(b []byte) (Note, error) {
	var n Note
	if len(b) != 2*slotSize {
		return n, n.UnmarshalText(b)
	}
	var newest uint64
	for _, slot := range [][]byte{b[:slotSize], b[slotSize:]} {
		m, beat, err := parseSlot(slot)
		if err == nil && beat > newest {
			n, newest = m, beat
		}
	}
	if newest == 0 {
		return n, fmt.Errorf("heartbeat: %w: both slots are damaged", ErrCorrupt)
	}
	return n, nil
}

// parseSlot parses a slot, which has one form, as a note.
func parseSlot(slot []byte) (n Note, beat uint64, err error) {
	text := slot[:bytes.LastIndex(slot, []byte("\nbeat "))+1]
	var sum uint32
	if _, err := fmt.Sscanf(string(slot[len(text):]), "beat %d %x", &beat, &sum); err != nil {
		return n, 0, err
	}
	// To write it again checks all of it.
	again, err := slotOf(bytes.Clone(text), beat)
	if err != nil || beat == 0 || !bytes.Equal(again, slot) {
		return n, 0, errors.New("torn")
	}
	return n, beat, n.UnmarshalText(text)
}
