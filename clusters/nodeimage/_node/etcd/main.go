// Etcd is etcd's server; its own main package is called v3, and so would the program be.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
