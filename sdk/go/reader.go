package relrun

import "io"

// piece is how many bytes are pulled at once where the SDK reads by itself, and the most that it pulls for anybody.
const (
	piece     = 64 << 10
	mostAtAll = 1 << 20
)

// reader makes a reader of what is pulled: a body, or what a child writes.
type reader struct {
	pull func(max uint32) ([]byte, error)
	rest []byte
	err  error
}

// Read pulls as many bytes as there is room for.
func (r *reader) Read(into []byte) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	r.fill(min(len(into), mostAtAll))
	count := copy(into, r.rest)
	r.rest = r.rest[count:]
	if count == 0 {
		return 0, r.err
	}
	return count, nil
}

// WriteTo is what io.Copy uses: it pulls pieces of a good size.
func (r *reader) WriteTo(to io.Writer) (written int64, err error) {
	for {
		if r.fill(piece); len(r.rest) == 0 {
			break
		}
		count, err := to.Write(r.rest)
		written += int64(count)
		r.rest = r.rest[count:]
		if err != nil {
			return written, err
		}
	}
	if r.err == io.EOF {
		return written, nil
	}
	return written, r.err
}

// fill pulls where nothing is left of the last piece.
func (r *reader) fill(most int) {
	if len(r.rest) > 0 || r.err != nil {
		return
	}
	if r.rest, r.err = r.pull(uint32(most)); r.err == nil && len(r.rest) == 0 {
		r.err = io.EOF
	}
}

// bounded refuses more than so many bytes.
type bounded struct {
	data  []byte
	limit int
}

func (b *bounded) Write(data []byte) (int, error) {
	if len(b.data)+len(data) > b.limit {
		return 0, Errorf(ErrPermanent, "the answer is longer than %d bytes", b.limit)
	}
	b.data = append(b.data, data...)
	return len(data), nil
}

// all reads to the end, at most so many bytes.
func all(from io.Reader, limit int) ([]byte, error) {
	into := &bounded{data: []byte{}, limit: limit}
	_, err := io.Copy(into, from)
	return into.data, err
}
