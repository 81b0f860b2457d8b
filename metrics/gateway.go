package metrics

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Gateway is a Pushgateway and a group of metrics in it.
type Gateway struct {
	url      string // without user, password and group
	user     *url.Userinfo
	job      string
	grouping map[string]string // the group's labels beside job
}

// String is the gateway's address as it may be shown.
func (g Gateway) String() string { return g.url }

// defaultJob is the job of a URL that names none.
const defaultJob = "token-janitor"

// ownLabels are the labels that our metrics have already.
var ownLabels = []string{"cause", "goversion", "le", "outcome", "part", "reason", "revision", "version"}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// ParseGateway reads the URL of a Pushgateway, http://gateway:9091, or of one group in it,
// http://gateway:9091/metrics/job/shop/namespace/production, where names and values are percent-encoded. The job is
// token-janitor if the URL has none. A user and a password are for basic authentication. No error shows the URL.
func ParseGateway(text string) (Gateway, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" { // err shows the URL
		return Gateway{}, errors.New("it cannot be read as a URL: want http://HOST:PORT; special characters of a password are percent-encoded")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return Gateway{}, errors.New("it does not begin with http:// or https://")
	case u.Hostname() == "":
		return Gateway{}, errors.New("it has no host: want http://HOST:PORT")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return Gateway{}, errors.New("it has a query or a fragment, which a Pushgateway has no use for")
	}
	g := Gateway{user: u.User, job: defaultJob, grouping: map[string]string{}}
	prefix, group, named := strings.Cut(u.EscapedPath()+"/", "/metrics/job/")
	g.url = u.Scheme + "://" + u.Host + strings.TrimRight(prefix, "/")
	if !named {
		if strings.Contains(prefix, "/metrics/") {
			return Gateway{}, errors.New("its path has no job: want /metrics/job/JOB, or no path")
		}
		return g, nil
	}
	parts := strings.Split("job/"+strings.TrimRight(group, "/"), "/")
	if len(parts)%2 != 0 {
		return Gateway{}, errors.New("its path is not /metrics/job/JOB/LABEL/VALUE: a label has no value")
	}
	for pair := range slices.Chunk(parts, 2) {
		name, value := pair[0], pair[1]
		if value, err = url.PathUnescape(value); err != nil || value == "" {
			return Gateway{}, errors.New("its path is not /metrics/job/JOB/LABEL/VALUE: a value is empty or not percent-encoded")
		}
		_, twice := g.grouping[name]
		switch {
		case name == "job" && g.job == defaultJob && len(g.grouping) == 0:
			g.job = value
		case !labelName.MatchString(name):
			return Gateway{}, errors.New("its path is not /metrics/job/JOB/LABEL/VALUE: the name of a label is letters, digits and _")
		case name == "job" || twice || slices.Contains(ownLabels, name):
			return Gateway{}, fmt.Errorf("its path has label %s twice, or the metrics have it already", name)
		default:
			g.grouping[name] = value
		}
	}
	return g, nil
}
