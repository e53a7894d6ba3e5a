package main

import (
	"os"
	"strings"

	"github.com/cloudfoundry/bosh-cli/v7/director"
	boshrel "github.com/cloudfoundry/bosh-cli/v7/release"
	"github.com/cloudfoundry/bosh-cli/v7/release/job"
	"github.com/cloudfoundry/bosh-cli/v7/release/pkg"
	"github.com/cloudfoundry/bosh-utils/crypto"
	"github.com/cloudfoundry/bosh-utils/fileutil"
	boshlog "github.com/cloudfoundry/bosh-utils/logger"
	boshsys "github.com/cloudfoundry/bosh-utils/system"
)

// exportRelease tells which blob the archive is, and its digest.
func exportRelease(d director.Deployment, c command) (any, error) {
	return d.ExportRelease(director.NewReleaseSlug(c.Name, c.Version), stemcellOf(c), c.Jobs)
}

func stemcellOf(c command) director.OSVersionSlug {
	os, version, given := strings.Cut(c.Stemcell, "/")
	if !given {
		return director.OSVersionSlug{}
	}
	return director.NewOSVersionSlug(os, version)
}

// verify tells whether the file at path has the digest text.
func verify(_ director.Director, c command) (any, error) {
	digest, err := crypto.ParseMultipleDigest(c.Text)
	if err != nil {
		return nil, err
	}
	return nil, digest.VerifyFilePath(c.Path, boshsys.NewOsFileSystem(boshlog.NewLogger(boshlog.LevelNone)))
}

type sentLine struct {
	Jobs     []string `json:"jobs"`
	Compiled []string `json:"compiled"`
	LeftOut  []string `json:"left_out"`
}

// sendRelease uploads as the command does: it reads the archive, asks what may be left out, and writes another one.
func sendRelease(d director.Director, c command) (any, error) {
	logger := boshlog.NewLogger(boshlog.LevelNone)
	fs := boshsys.NewOsFileSystem(logger)
	packer := fileutil.NewTarballCompressor(boshsys.NewExecCmdRunner(logger), fs)
	jobs, packages := job.NewArchiveReaderImpl(true, packer, fs), pkg.NewArchiveReaderImpl(true, packer, fs)
	found, err := boshrel.NewArchiveReader(jobs, packages, packer, fs, logger).Read(c.Path)
	if err != nil {
		return nil, err
	}
	defer found.CleanUp() //nolint:errcheck
	line := sentLine{}
	for _, one := range found.Jobs() {
		line.Jobs = append(line.Jobs, one.Name())
	}
	for _, one := range found.CompiledPackages() {
		line.Compiled = append(line.Compiled, one.Name())
	}
	if !c.Fix {
		if line.LeftOut, err = d.MatchPackages(found.Manifest(), found.IsCompiled()); err != nil {
			return nil, err
		}
	}
	path, err := boshrel.NewArchiveWriter(packer, fs, logger).Write(found, line.LeftOut)
	if err != nil {
		return nil, err
	}
	defer os.Remove(path) //nolint:errcheck
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return line, d.UploadReleaseFile(file, c.Rebase, c.Fix)
}
