package rpc

import (
	"errors"
	"io"
	"sync"

	"connectrpc.com/connect"
)

// refusedStream is a stream that the breaker did not let out.
type refusedStream struct {
	connect.StreamingClientConn
	err error
}

func (s *refusedStream) Send(any) error       { return s.err }
func (s *refusedStream) Receive(any) error    { return s.err }
func (s *refusedStream) CloseRequest() error  { return s.err }
func (s *refusedStream) CloseResponse() error { return nil }

// watchedStream tells the breaker, once, how a stream fared: by its first
// answer, since a stream that lives for hours must not hold a permit.
type watchedStream struct {
	connect.StreamingClientConn
	policy *policy
	once   sync.Once
}

func (s *watchedStream) record(err error) {
	s.once.Do(func() {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		s.policy.record(s.Spec().Procedure, err)
	})
}

func (s *watchedStream) Receive(msg any) error {
	err := s.StreamingClientConn.Receive(msg)
	s.record(err)
	return err
}

func (s *watchedStream) CloseResponse() error {
	err := s.StreamingClientConn.CloseResponse()
	s.record(err)
	return err
}
