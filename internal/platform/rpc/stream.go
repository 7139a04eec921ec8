package rpc

import (
	"context"
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

func (s *watchedStream) Send(msg any) error { return failed(s.StreamingClientConn.Send(msg)) }

func (s *watchedStream) Receive(msg any) error {
	err := s.StreamingClientConn.Receive(msg)
	s.record(err)
	return failed(err)
}

// CloseResponse before anything was received gives the stream up.
func (s *watchedStream) CloseResponse() error {
	err := s.StreamingClientConn.CloseResponse()
	s.record(context.Canceled)
	return err
}

// failed marks the errors of a stream; io.EOF is none, but its end.
func failed(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &callFailed{err}
}
