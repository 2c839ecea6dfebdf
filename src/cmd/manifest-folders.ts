/** Folders of tests: what they hold is not meant to be in force. */
export const TEST_FOLDERS: readonly string[] = ["test", "tests"];
