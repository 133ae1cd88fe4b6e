package admin

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/peer"
)

// Tasks are what administrators have begun and may follow. A task goes on when the
// administrator who began it goes away.
type Tasks struct {
	log  *slog.Logger
	mu   sync.Mutex
	all  map[string]*api.Task
	kept []string // ids, oldest first
}

// mostKept bounds how many tasks are remembered.
const mostKept = 200

// taskLimit bounds how long one may run.
const taskLimit = 24 * time.Hour

// NewTasks returns none.
func NewTasks(log *slog.Logger) *Tasks { return &Tasks{log: log, all: map[string]*api.Task{}} }

// begin runs act and returns its task. An end within a moment is returned as it
// is, so that a plain refusal is one.
func (t *Tasks) begin(ctx context.Context, kind, step string, act func(context.Context) error) (api.Task, error) {
	task := &api.Task{
		ID: rand.Text(), Kind: kind, State: api.TaskRunning, Started: time.Now(),
		Steps: []api.Step{{Text: step, State: api.TaskRunning}},
	}
	t.keep(task)
	ended := make(chan error, 1)
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), taskLimit)
	go func() {
		defer cancel()
		err := t.explained(kind, act(work))
		t.end(task.ID, err)
		ended <- err
	}()
	const moment = 250 * time.Millisecond
	select {
	case err := <-ended:
		if err != nil {
			return api.Task{}, err
		}
	case <-time.After(moment):
	}
	return t.get(task.ID)
}

// explained logs why a task failed, and returns what a person reads. Tasks speak with no
// other machine than the peer.
func (t *Tasks) explained(kind string, err error) error {
	if err == nil {
		return nil
	}
	t.log.Warn("task failed", slog.String("task", kind), slog.String("error", err.Error()))
	_, fromPeer := errors.AsType[*peer.RemoteError](err)
	if errors.Is(err, peer.ErrUnreachable) && !fromPeer {
		return &pair.Refusal{Code: pair.Unreachable, Text: peer.Unanswered(err), Cause: err}
	}
	return act.Failure(err)
}

func (t *Tasks) keep(task *api.Task) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all[task.ID] = task
	t.kept = append(t.kept, task.ID)
	if len(t.kept) > mostKept {
		delete(t.all, t.kept[0])
		t.kept = t.kept[1:]
	}
}

func (t *Tasks) end(id string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	task, kept := t.all[id]
	if !kept {
		return
	}
	task.State, task.Ended = api.TaskDone, time.Now()
	if err != nil {
		task.State, task.Error, task.Code = api.TaskFailed, err.Error(), pair.CodeOf(err)
	}
	for i := range task.Steps {
		task.Steps[i].State = task.State
	}
}

func (t *Tasks) get(id string) (api.Task, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	task, kept := t.all[id]
	if !kept {
		return api.Task{}, pair.Refuse(pair.NotFound, "there is no task %q; tasks are forgotten when the daemon restarts", id)
	}
	copied := *task
	copied.Steps = append([]api.Step(nil), task.Steps...)
	return copied, nil
}
