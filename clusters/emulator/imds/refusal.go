package imds

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/podidentity/epi/clusters/emulator/faults"
)

// page is the XHTML document of EC2's errors.
const page = `<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
	"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>%[1]d - %[2]s</title>
 </head>
 <body>
  <h1>%[1]d - %[2]s</h1>
 </body>
</html>
`

func writeRefusal(w http.ResponseWriter, status int) {
	body := fmt.Sprintf(page, status, http.StatusText(status))
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // a client that closed the connection needs no answer
}

// ofFault is the refusal of a fault. Only the journal shows its code.
func ofFault(err error) *refusal {
	if fault, ok := errors.AsType[*faults.Error](err); ok {
		return &refusal{fault.Status, fault.Code}
	}
	return &refusal{status: http.StatusInternalServerError}
}
