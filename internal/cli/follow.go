package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/cli/prompt"
	"baton/internal/cli/table"
	"baton/internal/pair"
)

// followEvery is how often a task is looked at.
const followEvery = 50 * time.Millisecond

// follow shows a task until it ends, and fails as it fails.
func (p *program) follow(ctx context.Context, client *api.Client, task api.Task) error {
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	told := 0
	for {
		var err error
		if told, err = p.tell(task, told); err != nil {
			return err
		}
		if task.State != api.TaskRunning {
			return ended(p, task)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no longer watching: the %s goes on; baton status --watch shows it", task.Kind)
		case <-ticker.C:
		}
		if task, err = api.GetTask().Call(ctx, client, task.ID); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// tell writes the steps that have ended since its last call and, on a terminal, the
// progress in place. It returns how many steps it has written so far.
func (p *program) tell(task api.Task, told int) (int, error) {
	if p.flags.json {
		return told, nil
	}
	live := prompt.IsTerminal(p.stdio.Out)
	if live {
		if _, err := fmt.Fprint(p.stdio.Out, "\r\x1b[K"); err != nil {
			return told, err
		}
	}
	for ; told < len(task.Steps) && task.Steps[told].State != api.TaskRunning; told++ {
		if _, err := fmt.Fprintf(p.stdio.Out, "%s: %s\n", task.Steps[told].Text, task.Steps[told].State); err != nil {
			return told, err
		}
	}
	if !live || task.State != api.TaskRunning {
		return told, nil
	}
	_, err := fmt.Fprint(p.stdio.Out, liveText(task))
	return told, err
}

// liveText is what is shown in place while a task runs.
func liveText(task api.Task) string {
	if task.Progress == nil {
		return task.Awaits
	}
	progress := progressText(*task.Progress) + speedText(*task.Progress)
	return strings.TrimSpace(task.Awaits + " " + progress)
}

// ended says how a task ended.
func ended(p *program, task api.Task) error {
	if p.flags.json {
		if err := p.show(task, func(*table.Page) {}); err != nil {
			return err
		}
	}
	if task.State == api.TaskFailed {
		code := task.Code
		if code == "" {
			code = pair.Failed
		}
		return pair.Refuse(code, "%s", task.Error)
	}
	if task.Progress != nil {
		return p.say("done, %s", progressText(*task.Progress))
	}
	if len(task.Steps) > 0 {
		return nil // the last step has said it
	}
	return p.say("done")
}

// started tells of a task that nobody waits for.
func started(p *program, task api.Task) error {
	return p.show(task, func(pg *table.Page) {
		what := "data sync"
		if task.Kind == "role" {
			what = "switch"
		}
		pg.Row("The " + what + " is under way; how it ends is not known yet: see baton status --watch and baton history, or add --wait next time.")
	})
}

func progressText(progress api.Progress) string {
	if progress.BytesTotal == 0 {
		return fmt.Sprintf("%s in %d files", pair.BytesText(progress.BytesDone), progress.FilesDone)
	}
	return fmt.Sprintf("%d %%, %s of %s, %d of %d files", 100*progress.BytesDone/progress.BytesTotal,
		pair.BytesText(progress.BytesDone), pair.BytesText(progress.BytesTotal), progress.FilesDone, progress.FilesTotal)
}

// speedText is what only a live display needs.
func speedText(progress api.Progress) string {
	if progress.Speed == 0 {
		return ""
	}
	text := ", " + pair.BytesText(progress.Speed) + "/s"
	if progress.LeftMS > 0 {
		text += fmt.Sprintf(", %s left", max((time.Duration(progress.LeftMS)*time.Millisecond).Round(time.Second), time.Second))
	}
	return text
}
