//go:build !wasip1

package relrun

// exported has nothing to do away from a component.
func exported() {}
