package guest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestABootThatFailedIsAnErrorUntilTheNext(t *testing.T) {
	here, there, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	s := newSerial(here)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Fprintln(there, "@FAILED the disk can't be mounted")
	if _, err := s.waitReady(ctx); !errors.Is(err, ErrNotReady) || !strings.Contains(err.Error(), "the disk can't be mounted") {
		t.Errorf("%v", err)
	}
	s.reset()
	fmt.Fprintln(there, "@READY boot=2 uptime=1.5 net=lo")
	if boots, err := s.waitReady(ctx); boots != 2 || err != nil {
		t.Errorf("boots %d, %v", boots, err)
	}
}
