package api

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"baton/internal/cause"
	"baton/internal/pair"
)

// fetch is call for answers: a function for its type parameter.
func fetch[T any](ctx context.Context, c *Client, method, path string, in any) (T, error) {
	var out T
	err := c.call(ctx, method, path, in, &out)
	return out, err
}

// Status returns what the appliance is and sees now.
func (c *Client) Status(ctx context.Context) (pair.Status, error) {
	return fetch[pair.Status](ctx, c, http.MethodGet, "/status", nil)
}

// WatchStatus calls show with the status now and whenever it changes, until ctx
// ends or show fails. A stream that the server ends in order is opened again.
func (c *Client) WatchStatus(ctx context.Context, show func(pair.Status) error) error {
	for {
		err := c.watchOnce(ctx, show)
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
}

func (c *Client) watchOnce(ctx context.Context, show func(pair.Status) error) error {
	response, err := c.send(ctx, http.MethodGet, "/status/stream", nil, nil)
	if err != nil {
		return err
	}
	defer discard(response.Body)
	events := 0
	var stopped error // by us, not by the stream
	err = readEvents(response.Body, func(data string) error {
		events++
		var status pair.Status
		if err := json.Unmarshal([]byte(data), &status); err != nil {
			stopped = pair.Refuse(pair.Failed, "the status of %s cannot be read: is it a Baton of this version? (%w)", c.where(), cause.Plain(err))
			return stopped
		}
		stopped = show(status)
		return stopped
	})
	if err := cmp.Or(ctx.Err(), stopped); err != nil {
		return err
	}
	if err != nil || events == 0 {
		return pair.Refuse(pair.Unreachable, "%s stopped answering: it may be restarting; try again", c.where())
	}
	return nil
}

// readEvents calls take with the data of every server-sent event.
func readEvents(stream io.Reader, take func(data string) error) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxBody)
	var data []string
	for lines.Scan() {
		line := lines.Text()
		if part, found := strings.CutPrefix(line, "data:"); found {
			data = append(data, strings.TrimPrefix(part, " "))
		}
		if line != "" || len(data) == 0 {
			continue
		}
		if err := take(strings.Join(data, "\n")); err != nil {
			return err
		}
		data = nil
	}
	return lines.Err()
}

// History returns events, oldest first.
func (c *Client) History(ctx context.Context, filter HistoryFilter) ([]Event, error) {
	query := url.Values{}
	if !filter.Since.IsZero() {
		query.Set("since", filter.Since.UTC().Format(time.RFC3339Nano))
	}
	if !filter.Until.IsZero() {
		query.Set("until", filter.Until.UTC().Format(time.RFC3339Nano))
	}
	if len(filter.Kinds) > 0 {
		query.Set("kind", strings.Join(filter.Kinds, ","))
	}
	if filter.Limit > 0 {
		query.Set("limit", strconv.Itoa(filter.Limit))
	}
	return fetch[[]Event](ctx, c, http.MethodGet, "/history?"+query.Encode(), nil)
}

// Doctor returns the readiness of the pair.
func (c *Client) Doctor(ctx context.Context) ([]Check, error) {
	return fetch[[]Check](ctx, c, http.MethodGet, "/doctor", nil)
}

// Version returns the versions of the appliance.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return fetch[Version](ctx, c, http.MethodGet, "/version", nil)
}

// SetupState tells whether the first administrator is still to be made.
func (c *Client) SetupState(ctx context.Context) (SetupState, error) {
	return fetch[SetupState](ctx, c, http.MethodGet, "/setup", nil)
}

// SetUp makes the first administrator.
func (c *Client) SetUp(ctx context.Context, request SetupRequest) error {
	return c.call(ctx, http.MethodPost, "/setup", request, nil)
}

// Key tells of the pre-shared key.
func (c *Client) Key(ctx context.Context) (KeyState, error) {
	return fetch[KeyState](ctx, c, http.MethodGet, "/key", nil)
}

// SetKey saves the pre-shared key.
func (c *Client) SetKey(ctx context.Context, key string) (KeyState, error) {
	return fetch[KeyState](ctx, c, http.MethodPut, "/key", keyText{Key: key})
}

// EndPreviousKey ends the key before the present one.
func (c *Client) EndPreviousKey(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/key/previous", nil, nil)
}

// GenerateKey returns a strong key; it is not saved.
func (c *Client) GenerateKey(ctx context.Context) (string, error) {
	made, err := fetch[keyText](ctx, c, http.MethodPost, "/key/generate", nil)
	return made.Key, err
}

// Pair establishes the relationship.
func (c *Client) Pair(ctx context.Context, request PairRequest) (pair.PeerStatus, error) {
	return fetch[pair.PeerStatus](ctx, c, http.MethodPost, "/pair", request)
}

// PreviewPair tells what Pair would do.
func (c *Client) PreviewPair(ctx context.Context, request PairRequest) (PairPreview, error) {
	return fetch[PairPreview](ctx, c, http.MethodPost, "/pair/preview", request)
}

// Unpair breaks it.
func (c *Client) Unpair(ctx context.Context, request UnpairRequest) error {
	return c.call(ctx, http.MethodPost, "/unpair", request, nil)
}

// StartSync begins a data sync.
func (c *Client) StartSync(ctx context.Context, request SyncRequest) (Task, error) {
	return fetch[Task](ctx, c, http.MethodPost, "/sync", request)
}

// CancelSync ends it.
func (c *Client) CancelSync(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/sync", nil, nil)
}

// Task tells how far a task is.
func (c *Client) Task(ctx context.Context, id string) (Task, error) {
	return fetch[Task](ctx, c, http.MethodGet, "/tasks/"+url.PathEscape(id), nil)
}

// ChangeRole begins a switch.
func (c *Client) ChangeRole(ctx context.Context, change RoleChange) (Task, error) {
	return fetch[Task](ctx, c, http.MethodPost, "/role", change)
}

// Preflight tells what would be in its way.
func (c *Client) Preflight(ctx context.Context, change RoleChange) ([]Check, error) {
	return fetch[[]Check](ctx, c, http.MethodGet, "/role/preflight?"+change.query(), nil)
}

// Loss tells what it would lose.
func (c *Client) Loss(ctx context.Context, change RoleChange) (Loss, error) {
	return fetch[Loss](ctx, c, http.MethodGet, "/role/loss?"+change.query(), nil)
}

func (r RoleChange) query() string {
	return url.Values{
		"role": {r.Role.String()}, "data_sync_first": {strconv.FormatBool(r.DataSyncFirst)},
		"force": {strconv.FormatBool(r.Force)},
	}.Encode()
}

// StartMaintenance turns automatic actions off; 0: until ended.
func (c *Client) StartMaintenance(ctx context.Context, lasting time.Duration) error {
	request := MaintenanceRequest{}
	if lasting != 0 {
		request.For = lasting.String()
	}
	return c.call(ctx, http.MethodPut, "/maintenance", request, nil)
}

// EndMaintenance turns them on again.
func (c *Client) EndMaintenance(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/maintenance", nil, nil)
}

// Resume allows automatic failover again after too many takeovers.
func (c *Client) Resume(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/resume", nil, nil)
}

// Settings returns all settings by key, and their version.
func (c *Client) Settings(ctx context.Context) (settings map[string]string, version string, err error) {
	header, err := c.exchange(ctx, http.MethodGet, "/settings", nil, nil, &settings)
	return settings, header.Get("ETag"), err
}

// ChangeSettings changes some settings, all or none. A version makes the change
// fail with Conflict if somebody else was faster; empty: whatever the version.
func (c *Client) ChangeSettings(ctx context.Context, changes map[string]string, version string) (settings map[string]string, err error) {
	header := http.Header{}
	if version != "" {
		header.Set("If-Match", version)
	}
	_, err = c.exchange(ctx, http.MethodPatch, "/settings", header, changes, &settings)
	return settings, err
}

// SharedIPs lists the shared IPs that the appliance knows.
func (c *Client) SharedIPs(ctx context.Context) ([]pair.SharedIPStatus, error) {
	return fetch[[]pair.SharedIPStatus](ctx, c, http.MethodGet, "/shared-ip", nil)
}

// EnableSharedIP ticks one.
func (c *Client) EnableSharedIP(ctx context.Context, address string) error {
	return c.call(ctx, http.MethodPost, "/shared-ip/enable", AddressRequest{Address: address}, nil)
}

// DisableSharedIP unticks one.
func (c *Client) DisableSharedIP(ctx context.Context, address string) error {
	return c.call(ctx, http.MethodPost, "/shared-ip/disable", AddressRequest{Address: address}, nil)
}

// TestIPs pings the addresses, or the saved ones if there are none.
func (c *Client) TestIPs(ctx context.Context, addresses []string) ([]pair.Reach, error) {
	return fetch[[]pair.Reach](ctx, c, http.MethodPost, "/test-ips", TestIPsRequest{IPs: addresses})
}

// Notifications returns who is told of what, and its version.
func (c *Client) Notifications(ctx context.Context) (notifications SavedNotifications, version string, err error) {
	header, err := c.exchange(ctx, http.MethodGet, "/notifications", nil, nil, &notifications)
	return notifications, header.Get("ETag"), err
}

// SaveNotifications saves it. A version makes that fail with Conflict if somebody
// else was faster; empty: whatever the version.
func (c *Client) SaveNotifications(ctx context.Context, wanted pair.Notifications, version string) (saved SavedNotifications, err error) {
	header := http.Header{}
	if version != "" {
		header.Set("If-Match", version)
	}
	_, err = c.exchange(ctx, http.MethodPut, "/notifications", header, wanted, &saved)
	return saved, err
}

// TestNotification sends a test through a channel, and returns what came of it.
func (c *Client) TestNotification(ctx context.Context, channel string) (string, error) {
	tested, err := fetch[Tested](ctx, c, http.MethodPost, "/notifications/test", ChannelRequest{Channel: channel})
	return tested.Text, err
}

// Site returns what the site is called and shows.
func (c *Client) Site(ctx context.Context) (SavedSite, error) {
	return fetch[SavedSite](ctx, c, http.MethodGet, "/site", nil)
}

// ChangeSite changes some of it, by key; all of the changes or none.
func (c *Client) ChangeSite(ctx context.Context, changes map[string]string) (SavedSite, error) {
	return fetch[SavedSite](ctx, c, http.MethodPatch, "/site", changes)
}

// Certificates tells of the certificates that browsers meet.
func (c *Client) Certificates(ctx context.Context) (Certificates, error) {
	return fetch[Certificates](ctx, c, http.MethodGet, "/certificate", nil)
}

// SetCertificate saves the site's certificate.
func (c *Client) SetCertificate(ctx context.Context, certificate NewCertificate) (Certificates, error) {
	return fetch[Certificates](ctx, c, http.MethodPut, "/certificate", certificate)
}

// SelfSignCertificate makes a self-signed one.
func (c *Client) SelfSignCertificate(ctx context.Context) (Certificates, error) {
	return fetch[Certificates](ctx, c, http.MethodPost, "/certificate/self-signed", nil)
}

// RemoveCertificate has each appliance show its own again.
func (c *Client) RemoveCertificate(ctx context.Context) (Certificates, error) {
	return fetch[Certificates](ctx, c, http.MethodDelete, "/certificate", nil)
}

// Protection tells of all protected data.
func (c *Client) Protection(ctx context.Context) (Protection, error) {
	return fetch[Protection](ctx, c, http.MethodGet, "/protection", nil)
}

// TestData tells what AddData would meet.
func (c *Client) TestData(ctx context.Context, data DataSpec) ([]Check, error) {
	return fetch[[]Check](ctx, c, http.MethodPost, "/data/test", data)
}

// Allowance tells what may be protected on this machine.
func (c *Client) Allowance(ctx context.Context) (Allowance, error) {
	return fetch[Allowance](ctx, c, http.MethodGet, "/allowance", nil)
}

// Allow lets a directory be protected on this machine.
func (c *Client) Allow(ctx context.Context, path string) error {
	return c.call(ctx, http.MethodPost, "/allowance", AllowedPath{Path: path}, nil)
}

// Disallow ends that.
func (c *Client) Disallow(ctx context.Context, path string) error {
	return c.call(ctx, http.MethodPost, "/allowance/end", AllowedPath{Path: path}, nil)
}

// Data lists the protected data.
func (c *Client) Data(ctx context.Context) ([]Data, error) {
	return fetch[[]Data](ctx, c, http.MethodGet, "/data", nil)
}

// AddData protects something.
func (c *Client) AddData(ctx context.Context, data DataSpec) error {
	return c.call(ctx, http.MethodPost, "/data", data, nil)
}

// RemoveData protects it no longer.
func (c *Client) RemoveData(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/data/"+url.PathEscape(name), nil, nil)
}

// Services lists what runs on the primary only.
func (c *Client) Services(ctx context.Context) ([]Service, error) {
	return fetch[[]Service](ctx, c, http.MethodGet, "/services", nil)
}

// AddService adds to it.
func (c *Client) AddService(ctx context.Context, service Service) error {
	return c.call(ctx, http.MethodPost, "/services", service, nil)
}

// RemoveService takes away from it.
func (c *Client) RemoveService(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/services/"+url.PathEscape(name), nil, nil)
}

// Users lists the accounts.
func (c *Client) Users(ctx context.Context) ([]pair.User, error) {
	return fetch[[]pair.User](ctx, c, http.MethodGet, "/users", nil)
}

// AddUser makes an account.
func (c *Client) AddUser(ctx context.Context, user pair.NewUser) error {
	return c.call(ctx, http.MethodPost, "/users", user, nil)
}

// SetPassword sets a password.
func (c *Client) SetPassword(ctx context.Context, name, password string) error {
	return c.call(ctx, http.MethodPut, "/users/"+url.PathEscape(name)+"/password", passwordText{Password: password}, nil)
}

// DisableUser lets an account sign in no longer.
func (c *Client) DisableUser(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, "/users/"+url.PathEscape(name)+"/disable", nil, nil)
}

// EnableUser lets it sign in again.
func (c *Client) EnableUser(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, "/users/"+url.PathEscape(name)+"/enable", nil, nil)
}

// UpdateUser changes an account's display name, mail and role.
func (c *Client) UpdateUser(ctx context.Context, user pair.UserChange) error {
	return c.call(ctx, http.MethodPut, "/users/"+url.PathEscape(user.Name), user, nil)
}

// ResetTOTP asks an account for its password only.
func (c *Client) ResetTOTP(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/users/"+url.PathEscape(name)+"/totp", nil, nil)
}

// Sessions lists who is signed in to the console.
func (c *Client) Sessions(ctx context.Context) ([]Session, error) {
	return fetch[[]Session](ctx, c, http.MethodGet, "/sessions", nil)
}

// EndSession signs one browser out.
func (c *Client) EndSession(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/sessions/"+url.PathEscape(id), nil, nil)
}

// SignOutEverywhere signs an account out on both appliances.
func (c *Client) SignOutEverywhere(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/users/"+url.PathEscape(name)+"/sessions", nil, nil)
}

// Security returns all security options by key, and their version.
func (c *Client) Security(ctx context.Context) (options map[string]string, version string, err error) {
	header, err := c.exchange(ctx, http.MethodGet, "/security", nil, nil, &options)
	return options, header.Get("ETag"), err
}

// ChangeSecurity changes some security options, all or none.
func (c *Client) ChangeSecurity(ctx context.Context, changes map[string]string) (options map[string]string, err error) {
	_, err = c.exchange(ctx, http.MethodPatch, "/security", nil, changes, &options)
	return options, err
}

// Tokens lists the API tokens.
func (c *Client) Tokens(ctx context.Context) ([]pair.Token, error) {
	return fetch[[]pair.Token](ctx, c, http.MethodGet, "/tokens", nil)
}

// CreateToken makes one.
func (c *Client) CreateToken(ctx context.Context, token pair.NewToken) (pair.CreatedToken, error) {
	return fetch[pair.CreatedToken](ctx, c, http.MethodPost, "/tokens", token)
}

// RevokeToken ends one.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/tokens/"+url.PathEscape(id), nil, nil)
}

// DivergedCopies lists what losing sides wrote.
func (c *Client) DivergedCopies(ctx context.Context) ([]pair.DivergedCopy, error) {
	return fetch[[]pair.DivergedCopy](ctx, c, http.MethodGet, "/diverged", nil)
}

// ExportDiverged hands the tar archive of one copy to take, as it streams in.
func (c *Client) ExportDiverged(ctx context.Context, id string, take func(io.Reader) error) error {
	return c.download(ctx, http.MethodGet, "/diverged/"+url.PathEscape(id)+"/export", nil, take)
}

// DeleteDiverged deletes one for good.
func (c *Client) DeleteDiverged(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/diverged/"+url.PathEscape(id), nil, nil)
}

// CreateBackup hands the encrypted backup to take, as it streams in.
func (c *Client) CreateBackup(ctx context.Context, password string, take func(io.Reader) error) error {
	return c.download(ctx, http.MethodPost, "/backup", passwordText{Password: password}, take)
}

// RestoreBackup sends an encrypted backup.
func (c *Client) RestoreBackup(ctx context.Context, password string, from io.Reader) error {
	response, err := c.upload(ctx, "/backup/restore", password, from)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// InspectBackup sends an encrypted backup and returns what it holds.
func (c *Client) InspectBackup(ctx context.Context, password string, from io.Reader) (InspectedBackup, error) {
	response, err := c.upload(ctx, "/backup/inspect", password, from)
	if err != nil {
		return InspectedBackup{}, err
	}
	defer discard(response.Body)
	var inspected InspectedBackup
	err = json.NewDecoder(response.Body).Decode(&inspected)
	return inspected, err
}

// RestoreInspected restores the backup that was inspected.
func (c *Client) RestoreInspected(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/backup/inspected/"+url.PathEscape(id)+"/restore", nil, nil)
}

func (c *Client) upload(ctx context.Context, path, password string, from io.Reader) (*http.Response, error) {
	reader, writer := io.Pipe()
	defer discard(reader) // lets the goroutine below end, also if nobody read
	form := multipart.NewWriter(writer)
	go func() { writer.CloseWithError(writeRestoreForm(form, password, from)) }()
	header := http.Header{"Content-Type": {form.FormDataContentType()}}
	return c.send(ctx, http.MethodPost, path, header, reader)
}

func writeRestoreForm(form *multipart.Writer, password string, from io.Reader) error {
	if err := form.WriteField(passwordPart, password); err != nil {
		return err
	}
	file, err := form.CreateFormFile(filePart, "backup")
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, from); err != nil {
		return err
	}
	return form.Close()
}

// Software tells what runs there.
func (c *Client) Software(ctx context.Context) (Software, error) {
	return fetch[Software](ctx, c, http.MethodGet, "/software", nil)
}

// Licences lists the licences of what runs there.
func (c *Client) Licences(ctx context.Context) ([]Licence, error) {
	return fetch[[]Licence](ctx, c, http.MethodGet, "/licences", nil)
}

// SupportBundle hands the bundle to take, as it streams in.
func (c *Client) SupportBundle(ctx context.Context, take func(io.Reader) error) error {
	return c.download(ctx, http.MethodGet, "/support-bundle", nil, take)
}

func (c *Client) download(ctx context.Context, method, path string, in any, take func(io.Reader) error) error {
	body, err := jsonBody(in)
	if err != nil {
		return err
	}
	response, err := c.send(ctx, method, path, nil, body)
	if err != nil {
		return err
	}
	defer discard(response.Body)
	return take(response.Body)
}
