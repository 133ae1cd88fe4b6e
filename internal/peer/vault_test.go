package peer

import (
	"testing"
	"time"
)

// slowKeeper is a disk that takes its time.
type slowKeeper struct {
	memory

	saving, saved chan struct{}
}

func (k *slowKeeper) Save(s Secrets) error {
	k.saving <- struct{}{}
	<-k.saved
	return k.memory.Save(s)
}

// Everybody reads the secrets, the loop that renews the leases among them: nobody may wait
// for the disk.
func TestTheSecretsAreReadWhileTheyAreSaved(t *testing.T) {
	keeper := &slowKeeper{saving: make(chan struct{}), saved: make(chan struct{})}
	v, err := openVault(keeper)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- v.change(func(s *Secrets) error { s.Unconfirmed = 3; return nil }) }()
	<-keeper.saving
	read := make(chan int)
	go func() { read <- v.read().Unconfirmed }()
	select {
	case got := <-read:
		if got != 0 {
			t.Error("what is not durable yet is shown")
		}
	case <-time.After(5 * time.Second):
		t.Error("a reader waits for the disk")
	}
	close(keeper.saved)
	if err := <-ended; err != nil || v.read().Unconfirmed != 3 {
		t.Errorf("not saved: %v", err)
	}
}
