package imds

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// versions are those that the guide lists
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html, "Get the
// available versions"). All serve the same.
var versions = []string{
	"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
	"2009-04-04", "2011-01-01", "2011-05-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20",
	"2016-04-19", "2016-06-30", "2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01",
	"2020-10-27", "2021-01-03", "2021-03-23", latest,
}

const latest = "latest"

// version removes the version from a path. The rest has no slash at its beginning.
func version(path string) (name, rest string, known bool) {
	name, rest, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return name, rest, strings.HasPrefix(path, "/") && slices.Contains(versions, name)
}

// lookUp returns the value of a path, or the names below it. Names of folders end in "/". EC2 accepts values and folders
// with a slash at their end and without (https://github.com/boto/boto/pull/1900,
// https://github.com/awslabs/aws-sdk-rust/issues/560).
func (s *Service) lookUp(ctx context.Context, path string, i *instance, v1 bool) (string, *refusal) {
	if path == "/" {
		return strings.Join(versions, "\n"), nil
	}
	_, rest, known := version(path)
	if !known || strings.Contains(path, "//") {
		return "", &refusal{status: http.StatusNotFound}
	}
	rest = strings.TrimSuffix(rest, "/")
	switch {
	case rest == "":
		return "dynamic\nmeta-data", nil // without slashes, unlike all other listings
	case i.role == "":
	case rest == credentialsFolder+"/"+i.role:
		return s.roleCredentials(ctx, i, v1)
	case rest == infoPath:
		return s.profile(i), nil
	}
	if value, ok := i.values[rest]; ok {
		return value, nil
	}
	if names := below(i.values, rest); len(names) > 0 {
		return strings.Join(names, "\n"), nil
	}
	return "", &refusal{status: http.StatusNotFound}
}

// below lists the next path elements under folder, sorted.
func below(values map[string]string, folder string) []string {
	var names []string
	for path := range values {
		rest, ok := strings.CutPrefix(path, folder+"/")
		if !ok {
			continue
		}
		name, _, nested := strings.Cut(rest, "/")
		if nested {
			name += "/"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
