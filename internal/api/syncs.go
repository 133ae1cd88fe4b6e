package api

import (
	"context"
	"net/http"
	"time"

	"baton/internal/pair"
)

// Syncs starts and stops data syncs, and answers for every running task.
type Syncs interface {
	// StartSync begins a data sync, or joins the one that is running.
	StartSync(ctx context.Context, request SyncRequest) (Task, error)
	// CancelSync is Refused if none is running.
	CancelSync(ctx context.Context) error
	// Task returns a task of this run of the daemon; NotFound otherwise.
	Task(ctx context.Context, id string) (Task, error)
}

// StartSync is Sync Now. It answers a task to follow.
func StartSync() Op[Syncs, SyncRequest, Task] {
	return askWith(post("/sync", "start-sync", pair.Operator, "Sync Now; answers a task to follow").answering(http.StatusAccepted), Syncs.StartSync)
}

// CancelSync cancels the running data sync.
func CancelSync() Op[Syncs, None, None] {
	return order(del("/sync", "cancel-sync", pair.Operator, "Cancel the running data sync"), Syncs.CancelSync)
}

// GetTask tells how far a task is.
func GetTask() Op[Syncs, string, Task] {
	return askID(get("/tasks/{id}", "task", pair.Viewer, "How far a task is"), Syncs.Task)
}

func (s *Server) serveSyncs() {
	serve(s, s.backend.Syncs, StartSync())
	serve(s, s.backend.Syncs, CancelSync())
	serve(s, s.backend.Syncs, GetTask())
}

// SyncRequest is Sync Now.
type SyncRequest struct {
	AcceptShrink bool `json:"accept_shrink,omitempty" doc:"Sync although much less data is left than the backup holds"`
}

// TaskState says how far a task is.
type TaskState string

// The task states.
const (
	TaskRunning TaskState = "running"
	TaskDone    TaskState = "done"
	TaskFailed  TaskState = "failed"
)

// Task is something that takes a while and can be followed.
type Task struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"` // sync or role
	State    TaskState `json:"state"`
	Steps    []Step    `json:"steps"`
	Progress *Progress `json:"progress,omitempty"` // of the data sync within it
	Awaits   string    `json:"awaits,omitempty"`   // one sentence: what a switch waits for now; empty: nothing
	Error    string    `json:"error"`              // one sentence with the next step; empty unless failed
	Code     pair.Code `json:"code,omitempty"`     // kind of the failure
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`
}

// Step is one part of a task.
type Step struct {
	Text  string    `json:"text"`
	State TaskState `json:"state"`
}

// Progress counts a data sync. Totals are 0 while unknown.
type Progress struct {
	BytesDone  int64 `json:"bytes_done"`
	BytesTotal int64 `json:"bytes_total"`
	FilesDone  int64 `json:"files_done"`
	FilesTotal int64 `json:"files_total"`
	Speed      int64 `json:"bytes_per_second"` // lately
	LeftMS     int64 `json:"left_ms"`          // estimate; 0: not known
}
